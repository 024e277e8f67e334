"""PyTorch Lightning under Pawl: its trainer trains the epochs that Pawl asks for.

    trainer = Trainer(callbacks=[pawl.lightning.PawlCallback()])
    trainer.fit(module, ckpt_path=pawl.lightning.restored())
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any, Dict, Optional

from . import Epoch, TrainerError, _random, run
from ._walk import Walk, checkpoint_folder, sampler_of

__all__ = ["PawlCallback", "restored"]

_FILE = "lightning.ckpt"


def _lightning() -> str:
    """The name of the package: the one in use, else the one that is installed."""
    names = ("lightning.pytorch", "pytorch_lightning")
    for name in names:
        if name in sys.modules:
            return name
    for name in names:
        if importlib.util.find_spec(name.split(".")[0]) is not None:
            return name
    raise ModuleNotFoundError("pawl.lightning needs PyTorch Lightning: pip install lightning.", name="lightning")


_name = _lightning()
_version = str(getattr(importlib.import_module(_name.split(".")[0]), "__version__", ""))
# One of Lightning's checkpoint callbacks: these are called last, when all metrics are there, and with one of them in
# place Lightning keeps no checkpoints of its own beside Pawl's.
_Checkpoint: Any = importlib.import_module(f"{_name}.callbacks").Checkpoint


def restored() -> Optional[str]:
    """What to give ``trainer.fit`` as ``ckpt_path``; None where training begins. Raises TrainerError."""
    folder = checkpoint_folder()
    return None if folder is None else str(folder / _FILE)


class PawlCallback(_Checkpoint):  # type: ignore[misc]
    """Takes epochs from Pawl; reports each with ``trainer.callback_metrics`` and saves the trainer's own checkpoint.

    The job file says how many epochs there are; ``max_epochs`` and ``min_epochs`` of the trainer do not count. A training
    dataloader with ``pawl.torch.BatchSampler`` has each epoch's order and batch size, and ``accumulate_grad_batches`` is set
    so that the optimizer steps once in a batch. ``examples`` is the number of examples in an epoch, where it is to be reported.
    """

    def __init__(self, *, examples: Optional[int] = None) -> None:
        self._examples = examples
        self._walk: Optional[Walk] = None
        self._random: Optional[_random.States] = None
        self._reload_every = 0
        self._accumulation = 1
        # The optimizer's steps, of all epochs, and the examples of this one.
        self._stepped = 0
        self._taken: Optional[int] = None
        self._weight = 1.0

    @property
    def epoch(self) -> Epoch:
        """What is trained now. Raises TrainerError outside ``trainer.fit``."""
        if self._walk is None or self._walk.epoch is None:
            raise TrainerError("MISUSE", "No epoch is being trained.", "Ask for it from within trainer.fit.")
        return self._walk.epoch

    # The hooks, in the order in which Lightning calls them.

    def setup(self, trainer: Any, pl_module: Any, stage: Optional[str] = None) -> None:
        if stage != "fit":
            return
        if trainer.world_size > 1:
            raise TrainerError(
                "MISUSE",
                f"Pawl's callback for Lightning works in one process, not in {trainer.world_size}.",
                "Give the trainer devices=1.",
            )
        # The first epoch, before Lightning asks for optimizers and dataloaders, which may depend on it.
        self._walk = Walk("Lightning")
        trainer.fit_loop.min_epochs = 0
        trainer.fit_loop.max_epochs = run().epochs
        self._reload_every = trainer.reload_dataloaders_every_n_epochs
        self._accumulation = 1
        self._accumulate(trainer, pl_module)

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self._random = state_dict.get("random")

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._restore_random()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        begin = "trainer.fit(…, ckpt_path=pawl.lightning.restored())"
        self._walking().check_begin(trainer.current_epoch, begin)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        # An epoch begins alike after the one before and after a restart, whatever was drawn between. A trainer that
        # resumes has its loader's iterator already, made with what on_fit_start restored.
        if not getattr(trainer.fit_loop, "is_resuming", False):
            self._restore_random()
        self._accumulate(trainer, pl_module)
        self._stepped = trainer.global_step
        self._taken = None if sampler_of(trainer.train_dataloader) is None else 0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._weight = 1.0
        sampler = sampler_of(trainer.train_dataloader)
        if sampler is None or self._taken is None:
            return
        parts = sampler._parts_at(self._taken - self._taken % sampler._step_size)
        part = parts[batch_idx % (self.epoch.accumulation or 1)]
        # Lightning takes each for one of as many equal ones, and those at the end of the data may be fewer and smaller.
        if pl_module.automatic_optimization:
            self._weight = part * self._accumulation / sum(parts)
        self._taken += part

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        weight = self._weight
        if weight != 1.0 and loss.requires_grad:
            loss.register_hook(lambda gradient: gradient * weight)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        # One step of Pawl's, however many optimizers stepped; none where gradients were accumulated only.
        has_stepped = trainer.global_step != self._stepped
        self._stepped = trainer.global_step
        done = (batch_idx + 1) % (self.epoch.accumulation or 1)
        is_whole = done == 0 or trainer.is_last_batch or batch_idx + 1 == trainer.num_training_batches
        by_hand = not pl_module.automatic_optimization
        if has_stepped and not is_whole and by_hand:
            raise TrainerError(
                "MISUSE",
                f"The module stepped its optimizer after {done} of the {self.epoch.accumulation} micro-batches of a step.",
                "In a module that optimizes by hand, step once in pawl.current().accumulation batches, and at the last.",
            )
        # Lightning does not count the steps of optimizers that a module has without its wrapper.
        if has_stepped or (is_whole and by_hand):
            self._walking().step(self._taken)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._random = _random.capture()
        walk = self._walking()
        trained = self.epoch
        walk.end_epoch(
            trainer.callback_metrics,
            self._examples,
            lambda folder: trainer.save_checkpoint(str(Path(folder) / _FILE)),
            _version,
        )
        if walk.epoch is None:
            trainer.should_stop = True
        else:
            # Lightning counts an epoch's batches only when it loads the dataloaders.
            sizes = [(each.batch_size, each.micro_batch_size) for each in (trained, walk.epoch)]
            other = sizes[0] != sizes[1]
            trainer.reload_dataloaders_every_n_epochs = 1 if other else self._reload_every

    def state_dict(self) -> Dict[str, Any]:
        return {} if self._random is None else {"random": self._random}

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._walking().check_end()
        if self._accumulation != 1:
            trainer.accumulate_grad_batches = 1

    def _accumulate(self, trainer: Any, module: Any) -> None:
        """Has the trainer make one step of the epoch's micro-batches."""
        epoch = self.epoch
        if epoch.accumulation is None:
            return
        if trainer.accumulate_grad_batches != self._accumulation:
            raise TrainerError(
                "MISUSE",
                f"The trainer has accumulate_grad_batches={trainer.accumulate_grad_batches}, and Pawl's batchSize "
                f"{epoch.batch_size} is a whole step of the optimizer: {epoch.accumulation} times {epoch.micro_batch_size}.",
                "Leave accumulation to Pawl: give the job the batchSize of a whole step, and a microBatchSize where it is not "
                "to be trained at once.",
            )
        # A module that optimizes by hand accumulates by hand.
        if module.automatic_optimization:
            self._accumulation = trainer.accumulate_grad_batches = epoch.accumulation

    def _walking(self) -> Walk:
        if self._walk is None:
            raise TrainerError("MISUSE", "Pawl's callback works in trainer.fit only.")
        return self._walk

    def _restore_random(self) -> None:
        if self._random is not None:
            _random.restore(self._random)
