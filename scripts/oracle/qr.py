"""Eigenvalues of a matrix of long doubles: balancing, Hessenberg form, QR steps with Wilkinson's shift."""

from __future__ import annotations

import numpy as np

EPS = np.finfo(np.longdouble).eps


def matrix_eigenvalues(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, and an error estimate of each.

    The estimate is what the algorithm itself shows: the same eigenvalues are found from the transpose with its rows
    and columns turned round, which meets other roundings.
    """
    balanced = _balanced(matrix)
    values, again = _hessenberg_qr(_hessenberg(balanced)), _hessenberg_qr(_hessenberg(balanced.T[::-1, ::-1]))
    distance = abs(values[:, None] - again[None, :])
    return values, 4 * distance.min(axis=1) + 4 * EPS * abs(values)


def _balanced(matrix: np.ndarray) -> np.ndarray:
    """Rows and columns of similar size, by powers of two, which round nothing."""
    A, changed = matrix.copy(), True
    while changed:
        changed = False
        for k in range(len(A)):
            off = np.arange(len(A)) != k
            column, row = abs(A[off, k]).sum(), abs(A[k, off]).sum()
            if column == 0 or row == 0:
                continue
            power = np.round(np.log2(row / column) / 2)
            if abs(power) >= 1:
                changed = True
                A[:, k] *= np.longdouble(2) ** power
                A[k, :] /= np.longdouble(2) ** power
    return A


def _hessenberg(matrix: np.ndarray) -> np.ndarray:
    """A similar matrix without entries below the first subdiagonal, by reflections."""
    H = matrix.astype(np.longdouble)
    for k in range(len(H) - 2):
        scale = abs(H[k + 1 :, k]).max()
        if scale == 0:
            continue
        u = H[k + 1 :, k] / scale
        norm = np.sqrt((u * u).sum())
        u[0] += norm if u[0] >= 0 else -norm
        u /= np.sqrt((u * u).sum())
        H[k + 1 :, :] -= 2 * np.multiply.outer(u, u @ H[k + 1 :, :])
        H[:, k + 1 :] -= 2 * np.multiply.outer(H[:, k + 1 :] @ u, u)
        H[k + 2 :, k] = 0
    return H


def _hessenberg_qr(H: np.ndarray) -> np.ndarray:
    """Diagonal that remains when the QR steps have emptied the subdiagonal."""
    H = H.astype(np.clongdouble)
    last, rounds = len(H) - 1, 0
    while last > 0:
        first = last
        while first > 0:
            beside = abs(H[first, first]) + abs(H[first - 1, first - 1])
            if abs(H[first, first - 1]) <= EPS * beside:
                H[first, first - 1] = 0
                break
            first -= 1
        if first == last:
            last, rounds = last - 1, 0
            continue
        rounds += 1
        if rounds > 300:
            raise ArithmeticError("QR steps do not converge")
        _qr_step(H, first, last, _shift(H, last, rounds))
    return np.diag(H).copy()


def _shift(H: np.ndarray, last: int, rounds: int) -> np.clongdouble:
    """The eigenvalue of the last 2 x 2 block nearer to its last entry; now and then another, against cycles."""
    a, b, c, d = H[last - 1, last - 1], H[last - 1, last], H[last, last - 1], H[last, last]
    if rounds % 12 == 0:
        return d + abs(c)
    half = (a - d) / 2
    root = np.sqrt(half * half + b * c)
    root = root if abs(half + root) > abs(half - root) else -root
    return d - b * c / (half + root) if half + root != 0 else d


def _qr_step(H: np.ndarray, first: int, last: int, shift: np.clongdouble) -> None:
    """One step on the rows and columns first to last, by rotations, in place."""
    rotations = []
    block = np.arange(first, last + 1)
    H[block, block] -= shift
    for k in range(first, last):
        a, b = H[k, k], H[k + 1, k]
        norm = np.hypot(abs(a), abs(b))
        if norm == 0:
            rotations.append(None)
            continue
        c, s = a / norm, b / norm
        top, low = H[k, k : last + 1].copy(), H[k + 1, k : last + 1].copy()
        H[k, k : last + 1] = np.conj(c) * top + np.conj(s) * low
        H[k + 1, k : last + 1] = -s * top + c * low
        rotations.append((c, s))
    for k, rotation in zip(range(first, last), rotations, strict=True):
        if rotation is None:
            continue
        c, s = rotation
        end = min(k + 2, last) + 1
        left, right = H[first:end, k].copy(), H[first:end, k + 1].copy()
        H[first:end, k] = c * left + s * right
        H[first:end, k + 1] = -np.conj(s) * left + np.conj(c) * right
    H[block, block] += shift
