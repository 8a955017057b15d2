"""Opens the files of a load: exactly the content that the manifest names."""

from __future__ import annotations

import os
from typing import Any, Protocol

from .errors import FileChanged, FileVanished, JobError, Retryable, Terminal
from .manifest import File


class Input(Protocol):
    """An opened file. Reads raise FileChanged where the content is another's."""

    size: int

    def read_at(self, offset: int, n: int) -> bytes:
        """Up to n bytes; fewer only at the end."""

    def close(self) -> None:
        """Releases what the input holds."""


def open_input(file: File) -> Input:
    """Opens a file by its URI: an absolute path or s3://bucket/key."""
    if file.content is not None:
        return _Held(file.content)
    try:
        if file.uri.startswith("s3://"):
            return _open_s3(file)
        if not file.uri.startswith("/"):
            raise Terminal("the URI is neither an absolute path nor s3://bucket/key", file.location)
        return _Local(file)
    except OSError as e:
        raise failed(e, file.location) from None


def failed(err: OSError, location: str) -> JobError:
    """What an error of the store says of the work. Its text is not passed on."""
    if isinstance(err, FileNotFoundError):
        return FileVanished(location)
    return Retryable("cannot be read: " + type(err).__name__, location)


class _Held:
    def __init__(self, content: bytes) -> None:
        self._content, self.size = content, len(content)

    def read_at(self, offset: int, n: int) -> bytes:
        return self._content[offset : offset + max(0, n)]

    def close(self) -> None:
        pass


class _Local:
    def __init__(self, file: File) -> None:
        self._file = open(file.uri, "rb", buffering=0)  # noqa: SIM115
        self._location = file.location
        self.size = file.size
        if os.fstat(self._file.fileno()).st_size != file.size:
            self._file.close()
            raise FileChanged(file.location)

    def read_at(self, offset: int, n: int) -> bytes:
        want = max(0, min(n, self.size - offset))
        parts, at = [], offset
        while want > 0:
            try:
                part = os.pread(self._file.fileno(), want, at)
            except OSError as e:
                raise failed(e, self._location) from None
            if not part:
                raise FileChanged(self._location)
            parts.append(part)
            at, want = at + len(part), want - len(part)
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()


def _open_s3(file: File) -> Input:
    bucket, _, key = file.uri.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise Terminal("the URI has no bucket or no key", file.location)
    try:
        import boto3
    except ImportError:
        return _ArrowS3(file, f"{bucket}/{key}")
    return _S3(file, bucket, key, boto3.client("s3"))


def _same_tag(a: str, b: str) -> bool:
    return a.strip('"') == b.strip('"')


class _S3:
    """Reads ranges of an object's version, or of the content with an ETag."""

    def __init__(self, file: File, bucket: str, key: str, client: Any) -> None:
        self._file, self._client = file, client
        self._args = {"Bucket": bucket, "Key": key}
        if file.version_id:
            self._args["VersionId"] = file.version_id
        elif file.etag:
            self._args["IfMatch"] = '"' + file.etag.strip('"') + '"'
        self.size = file.size

    def read_at(self, offset: int, n: int) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        want = max(0, min(n, self.size - offset))
        if want == 0:
            return b""
        try:
            answer = self._client.get_object(Range=f"bytes={offset}-{offset + want - 1}", **self._args)
            data = answer["Body"].read()
        except ClientError as e:
            raise self._refused(e) from None
        except (BotoCoreError, OSError) as e:
            raise Retryable("cannot be read: " + type(e).__name__, self._file.location) from None
        total = answer.get("ContentRange", "").rpartition("/")[2]
        if len(data) != want or total != str(self.size):
            raise FileChanged(self._file.location)
        return data

    def _refused(self, err: Any) -> JobError:
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = str(err.response.get("Error", {}).get("Code", ""))
        if status in (412, 416):
            return FileChanged(self._file.location)
        if status == 404:
            return FileVanished(self._file.location)
        return Retryable("cannot be read: " + code[:64], self._file.location)

    def close(self) -> None:
        pass


class _ArrowS3:
    """Reads through Arrow, which cannot ask for a version or a tag. It compares what
    the object says of itself before the first read and, on close, once more."""

    def __init__(self, file: File, path: str) -> None:
        from pyarrow import fs

        self._s3, self._path, self._wanted = fs.S3FileSystem(), path, file
        self._file = self._open()
        self.size = file.size

    def _open(self) -> Any:
        opened = self._s3.open_input_file(self._path)
        told = {str(k).lower(): _text(v) for k, v in (opened.metadata() or {}).items()}
        want = self._wanted
        same = opened.size() == want.size
        if want.version_id:
            same = same and told.get("versionid") == want.version_id
        elif want.etag:
            same = same and _same_tag(told.get("etag", ""), want.etag)
        if not same:
            opened.close()
            raise FileChanged(want.location)
        return opened

    def read_at(self, offset: int, n: int) -> bytes:
        want = max(0, min(n, self.size - offset))
        try:
            data = self._file.read_at(want, offset) if want else b""
        except OSError as e:
            raise failed(e, self._wanted.location) from None
        if len(data) != want:
            raise FileChanged(self._wanted.location)
        return bytes(data)

    def close(self) -> None:
        self._file.close()
        try:
            self._open().close()
        except OSError as e:
            raise failed(e, self._wanted.location) from None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
