"""HyperLogLog with the estimate of the engine in Go (its package hllcheck), so that
both count alike: 2^14 registers over 64-bit hashes, kept as a list of the hashes' first
25 bits as long as that is shorter (Heule, Nunkesser, Hall, "HyperLogLog in Practice",
2013), and the bias corrected by LogLog-Beta (Qin, Kim, Tung, 2016)."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PRECISION = 14
_M = 1 << PRECISION
_SPARSE = 25
_ALPHA = 0.7213 / (1 + 1.079 / _M)
_BETA = (0.00978811941207509, 0.185796293324165, 0.203015527328432, -0.116710521803686,
         0.0431106699492820, -0.00599583540511831, 0.000449704299509437)  # fmt: skip
_BETA_ZERO = -0.371009760230692


class Sketch:
    """Counts distinct values. Its state is that of the set of them, in any order."""

    def __init__(self) -> None:
        self.registers = np.zeros(_M, np.uint8)
        self.keys: np.ndarray | None = np.zeros(0, np.uint32)  # None once they are too many

    def insert(self, values: pa.Array) -> None:
        """Takes in binary values; nulls are none."""
        by_length: dict[int, list[bytes]] = {}
        for v in pc.unique(values.drop_null()).to_pylist():
            by_length.setdefault(len(v), []).append(v)
        for length, some in by_length.items():
            self._take(hashes(b"".join(some), length, len(some)))

    def _take(self, h: np.ndarray) -> None:
        rank = _leading_zeros((h << _u(PRECISION)) | _u(1 << (PRECISION - 1))) + 1
        np.maximum.at(self.registers, (h >> _u(64 - PRECISION)).astype(np.int64), rank.astype(np.uint8))
        self._hold(_keys(h))

    def _hold(self, keys: np.ndarray | None) -> None:
        if self.keys is None or keys is None:
            self.keys = None
            return
        self.keys = np.union1d(self.keys, keys)
        if len(self.keys) > _M:
            self.keys = None

    def state(self) -> tuple[bytes, bytes | None]:
        """What there is to know of the values, for merge."""
        return self.registers.tobytes(), None if self.keys is None else self.keys.tobytes()

    def merge(self, state: tuple[bytes, bytes | None]) -> None:
        """Takes in the values of another sketch."""
        registers, keys = state
        self.registers = np.maximum(self.registers, np.frombuffer(registers, np.uint8))
        self._hold(None if keys is None else np.frombuffer(keys, np.uint32))

    def estimate(self) -> int:
        """About how many distinct values there are."""
        if self.keys is not None and _length(self.keys) <= _M:
            places = 1 << _SPARSE
            return int(places * math.log(places / (places - len(self.keys))))
        zeros = int((self.registers == 0).sum())
        inverse = float((0.5 ** self.registers.astype(np.float64)).sum())
        log = math.log(zeros + 1)
        beta = _BETA_ZERO * zeros + sum(b * log ** (i + 1) for i, b in enumerate(_BETA))
        return int(_ALPHA * _M * (_M - zeros) / (inverse + beta) + 0.5)


def _length(keys: np.ndarray) -> int:
    """The bytes of sorted keys as the list of their differences, seven bits a byte."""
    steps = np.diff(keys.astype(np.int64), prepend=0)
    return len(keys) + sum(int((steps >= 1 << bits).sum()) for bits in (7, 14, 21, 28))


def _keys(h: np.ndarray) -> np.ndarray:
    """Hashes in the form for few of them: the first bits, and where those do not tell
    the rank of the register, the rank of the rest."""
    first = h >> _u(64 - _SPARSE)
    rest = ((h & _u((1 << (64 - _SPARSE)) - 1)) << _u(_SPARSE)) | _u((1 << _SPARSE) - 1)
    ranked = first << _u(7) | (_leading_zeros(rest) + 1).astype(np.uint64) << _u(1) | _u(1)
    plain = first << _u(1)
    silent = first & _u((1 << (_SPARSE - PRECISION)) - 1) == 0
    return np.unique(np.where(silent, ranked, plain).astype(np.uint32))


def _leading_zeros(words: np.ndarray) -> np.ndarray:
    """The leading zeros of words, none of which is zero."""
    zeros, words = np.zeros(len(words), np.int64), words.copy()
    for width in (32, 16, 8, 4, 2, 1):
        high = words >> _u(64 - width) == 0
        zeros += np.where(high, width, 0)
        words = np.where(high, words << _u(width), words)
    return zeros


def _u(n: int) -> np.uint64:
    return np.uint64(n)


_K = tuple(_u(k) for k in (0xD6D018F5, 0xA2AA033B, 0x62992FC1, 0x30BC5B29))
_SEED = 1337


def hashes(data: bytes, length: int, count: int) -> np.ndarray:
    """MetroHash64 (J. A. Rogers, 2015) of count values of a length, one after the other."""
    rows = np.frombuffer(data, np.uint8).reshape(count, length)
    k0, k1, k2, k3 = _K
    h = np.full(count, ((_SEED + int(k2)) * int(k0)) & 0xFFFFFFFFFFFFFFFF, np.uint64)
    at = 0
    if length >= 32:
        v = [h, h, h, h]
        while length - at >= 32:
            for i in range(4):
                v[i] = _turn(v[i] + _word(rows, at + 8 * i, 8) * _K[i], 29) + v[(i + 2) % 4]
            at += 32
        for i, (a, b, c, d) in ((2, (0, 3, 0, 1)), (3, (1, 2, 1, 0)), (0, (0, 2, 0, 3)), (1, (1, 3, 1, 2))):
            v[i] = v[i] ^ _turn((v[a] + v[b]) * _K[c] + v[d], 37) * _K[1 - c]
        h = h + (v[0] ^ v[1])
    if length - at >= 16:
        a = _turn(h + _word(rows, at, 8) * k2, 29) * k3
        b = _turn(h + _word(rows, at + 8, 8) * k2, 29) * k3
        a = a ^ (_turn(a * k0, 21) + b)
        b = b ^ (_turn(b * k3, 21) + a)
        h, at = h + b, at + 16
    for size, turn in ((8, 55), (4, 26), (2, 48), (1, 37)):
        if length - at >= size:
            h = h + _word(rows, at, size) * k3
            h, at = h ^ _turn(h, turn) * k1, at + size
    h = (h ^ _turn(h, 28)) * k0
    return h ^ _turn(h, 29)


def _word(rows: np.ndarray, at: int, size: int) -> np.ndarray:
    """The words of so many bytes at an offset of each row, the lowest byte first."""
    return np.ascontiguousarray(rows[:, at : at + size]).view(f"<u{size}")[:, 0].astype(np.uint64)


def _turn(words: np.ndarray, bits: int) -> np.ndarray:
    """Words rotated to the right."""
    return words >> _u(bits) | words << _u(64 - bits)
