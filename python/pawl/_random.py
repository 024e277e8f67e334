"""The states of the random generators that a trainer draws from."""

import random
import sys
from typing import Any, Dict

States = Dict[str, Any]


def seed(number: int) -> None:
    """Begins anew from a seed of 0 to 2**32 - 1, in the generators that ``capture`` names."""
    random.seed(number)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(number)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(number)


def capture() -> States:
    """The states of ``random`` and, where they are in use, of PyTorch (CPU and CUDA) and NumPy.

    Only lists, numbers, texts and tensors, so that ``torch.load(weights_only=True)`` reads it.
    """
    version, words, gauss = random.getstate()
    states: States = {"python": [version, list(words), gauss]}
    # What nobody has imported draws nothing, and must not be imported for this.
    torch = sys.modules.get("torch")
    if torch is not None:
        states["torch"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            states["cuda"] = torch.cuda.get_rng_state_all()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        name, keys, position, has_gauss, cached = numpy.random.get_state()
        states["numpy"] = [name, keys.tolist(), int(position), int(has_gauss), float(cached)]
    return states


def restore(states: States) -> None:
    """Sets the generators to what ``capture`` gave; one that is not in use any more is left out."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    torch = sys.modules.get("torch")
    if torch is not None and "torch" in states:
        torch.set_rng_state(states["torch"].cpu())
        if "cuda" in states and torch.cuda.is_available():
            for device, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
                torch.cuda.set_rng_state(state.cpu(), device)
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy" in states:
        numpy.random.set_state(tuple(states["numpy"]))
