"""The shuffled order of an epoch: a function of seed, epoch and size, the same in every helper."""

import operator
from typing import List

from ._errors import TrainerError

_MASK = 0xFFFFFFFF
_STREAM = 0x7061776C  # "pawl"
_WARM_UP = 12


def order(seed: int, epoch: int, size: int) -> List[int]:
    """The numbers from 0 to ``size - 1`` in the order of this epoch; ``size`` is at most 2**32 - 1.

    Fisher-Yates from the last place down, with 32-bit words of sfc32 (PractRand) that start from seed, epoch and a
    constant, made unbiased by Lemire's multiplication with rejection (arXiv 1805.10941). The generator stands inside
    the loop, since a call for each number would double the time.
    """
    try:
        size = operator.index(size)
    except TypeError:
        raise TrainerError("MISUSE", f"order needs a whole number of examples, not {size!r}.") from None
    if not 0 <= size <= _MASK:
        raise TrainerError("MISUSE", f"order needs a number of examples from 0 to {_MASK}, not {size}.")
    items = list(range(size))
    a, b, c, counter = seed & _MASK, epoch & _MASK, _STREAM, 1
    for _ in range(_WARM_UP):
        word = (a + b + counter) & _MASK
        counter += 1
        a, b, c = b ^ (b >> 9), c * 9 & _MASK, ((c << 21 | c >> 11) + word) & _MASK
    for bound in range(size, 1, -1):
        while True:
            word = (a + b + counter) & _MASK
            counter += 1
            a = b ^ (b >> 9)
            b = c * 9 & _MASK
            c = ((c << 21 | c >> 11) + word) & _MASK
            product = word * bound
            low = product & _MASK
            if low >= bound or low >= (0x100000000 - bound) % bound:
                break
        last = bound - 1
        drawn = product >> 32
        items[last], items[drawn] = items[drawn], items[last]
    return items
