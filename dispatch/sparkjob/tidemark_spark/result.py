"""The documents of a job: the manifest that it reads, and the result that it
leaves (etl.JobResult)."""

from __future__ import annotations

import json
import os
import tempfile

from .errors import JobError, Terminal, find, printable

_LARGEST = 256 << 20


def read_document(uri: str) -> bytes:
    """The content at an absolute path or s3://bucket/key."""
    if not uri.startswith("s3://"):
        with open(_local(uri), "rb") as f:
            return f.read(_LARGEST)
    bucket, key = _object(uri)
    client = _client()
    if client is not None:
        return client.get_object(Bucket=bucket, Key=key)["Body"].read(_LARGEST)
    from pyarrow import fs

    with fs.S3FileSystem().open_input_stream(f"{bucket}/{key}") as f:
        return f.read(_LARGEST)


def write_document(uri: str, doc: dict, mode: int = 0o644) -> None:
    """Writes a document so that readers see all of it or nothing. mode says who may
    read it, where it is a file."""
    content = json.dumps(doc, indent=1).encode()
    if not uri.startswith("s3://"):
        _replace(_local(uri), content, mode)
        return
    bucket, key = _object(uri)
    client = _client()
    if client is not None:
        client.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/json")
        return
    from pyarrow import fs

    with fs.S3FileSystem().open_output_stream(f"{bucket}/{key}") as f:
        f.write(content)


def succeeded(job_id: str, receipt: dict) -> dict:
    """The result of a load that is in the table."""
    return {"job_id": job_id, "receipt": receipt}


def failed(job_id: str, load_id: str, err: JobError) -> dict:
    """The result of a load that did not go through."""
    failure = err.diagnosis()
    if load_id:
        failure["load_id"] = load_id
    return {"job_id": job_id, "failure": failure}


def explain(error: BaseException) -> JobError:
    """An error as it may be shown. What Spark and Java say may quote rows, so of
    their errors only the names of the classes are passed on."""
    from .catalog import java_name

    if isinstance(error, JobError):
        return error
    carried = find(str(error))
    if carried is not None:
        return carried
    names = " < ".join(n for n in java_name(error).split(" < ") if n)
    text = type(error).__name__ + (f" ({printable(names)})" if names else "")
    err = JobError(f"the job failed: {text}")
    if isinstance(error, (TypeError, KeyError, AttributeError, ImportError, NotImplementedError)):
        err.outcome = "terminal"  # a mistake of the job's own
    return err


def _replace(path: str, content: bytes, mode: int) -> None:
    handle, temp = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".result-")
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temp, mode)
        os.replace(temp, path)
    except BaseException:
        os.unlink(temp)
        raise


def _local(uri: str) -> str:
    path = uri.removeprefix("file://")
    if not path.startswith("/"):
        raise Terminal("a URI of the job is neither an absolute path nor s3://bucket/key")
    return path


def _object(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise Terminal("a URI of the job has no bucket or no key")
    return bucket, key


def _client():
    try:
        import boto3
    except ImportError:
        return None
    return boto3.client("s3")
