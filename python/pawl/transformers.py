"""The Hugging Face Trainer under Pawl: it trains the epochs that Pawl asks for.

    callback = pawl.transformers.PawlCallback()
    arguments = TrainingArguments("out", **callback.arguments(learning_rate=5e-5))
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[callback])
    trainer.train(resume_from_checkpoint=pawl.transformers.restored())
"""

import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional

from . import Epoch, TrainerError, run
from ._walk import Walk, checkpoint_folder

try:
    import transformers
except ModuleNotFoundError as missing:
    if missing.name != "transformers":
        raise
    raise ModuleNotFoundError(
        "pawl.transformers needs Hugging Face Transformers: pip install transformers.", name="transformers"
    ) from None

__all__ = ["PawlCallback", "restored"]

_Callback: Any = transformers.TrainerCallback
_FRAMEWORK = "Transformers"
# What the Trainer logs beside metrics: how far it is, and how fast this machine is.
_COUNTERS = {"epoch", "step"}
_SPEEDS = ("total_flos", "_runtime", "_per_second")


def restored() -> Optional[str]:
    """What to give ``trainer.train`` as ``resume_from_checkpoint``; None where training begins. Raises TrainerError."""
    folder = checkpoint_folder()
    return None if folder is None else str(folder)


class PawlCallback(_Callback):  # type: ignore[misc]
    """Takes epochs from Pawl; reports each with what the Trainer logged and evaluated, and saves the Trainer's checkpoint.

    Takes the first epoch when it is made. ``examples`` is the number of examples in an epoch, where it is to be reported.
    """

    def __init__(self, *, examples: Optional[int] = None) -> None:
        self._walk = Walk(_FRAMEWORK)
        self._examples = examples
        self._metrics: Dict[str, Any] = {}
        self._logged_at = 0
        self._last: Optional[str] = None
        self._batch_size = self.epoch.batch_size

    @property
    def epoch(self) -> Epoch:
        """What is trained now. Raises TrainerError where Pawl has no more."""
        if self._walk.epoch is None:
            raise TrainerError("MISUSE", "Pawl has no epoch to train.")
        return self._walk.epoch

    def arguments(self, *, learning_rate: Optional[float] = None) -> Dict[str, Any]:
        """What Pawl says about the run, for ``TrainingArguments``: epochs, seed, batch size and its learning rate.

        The Trainer keeps no checkpoints of its own beside Pawl's (``save_strategy="no"``). ``learning_rate`` is the one
        that the job's ``referenceBatchSize`` was tuned for.
        """
        here, epoch = run(), self.epoch
        arguments: Dict[str, Any] = {"num_train_epochs": here.epochs, "seed": here.seed, "save_strategy": "no"}
        if epoch.micro_batch_size is not None:
            arguments["per_device_train_batch_size"] = epoch.micro_batch_size
            arguments["gradient_accumulation_steps"] = epoch.accumulation
        if learning_rate is not None:
            arguments["learning_rate"] = learning_rate * epoch.learning_rate_scale
        return arguments

    # The events, in the order in which the Trainer calls them.

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.world_size > 1:
            raise TrainerError(
                "MISUSE",
                f"Pawl's callback for {_FRAMEWORK} works in one process, not in {args.world_size}.",
                "Train with one process (and one GPU).",
            )
        self._walk.check_begin(
            round(state.epoch or 0), "trainer.train(resume_from_checkpoint=pawl.transformers.restored())"
        )

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        given = self.epoch
        if self._last is not None:
            raise TrainerError(
                "MISUSE",
                f"The Trainer did not {self._last} at the end of epoch {given.number}, as Pawl's callback had asked.",
                "Let no other callback set should_save, should_evaluate and should_log back in on_epoch_end.",
            )
        self._metrics = {}
        if given.batch_size != self._batch_size:
            raise TrainerError(
                "MISUSE",
                f"Epoch {given.number} has batch size {given.batch_size}, and the Trainer keeps "
                f"{self._batch_size}: it cannot change it while it trains.",
                "Give the job one batch size, such as batchSize: 32.",
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._walk.step()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Now the Trainer logs, evaluates and saves, each where it is to; the last of these ends Pawl's epoch.
        if self._logged_at != state.global_step:
            control.should_log = True
        if self.epoch.checkpoint_due:
            control.should_save = True
            self._last = "save"
        elif control.should_evaluate:
            self._last = "evaluate"
        elif control.should_log:
            self._last = "log"
        else:
            self._end(control)

    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> None:
        self._take(logs)
        if "loss" not in (logs or {}):
            return
        self._logged_at = state.global_step
        if self._last == "log":
            self._end(control)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Optional[Mapping[str, Any]] = None, **kwargs: Any
    ) -> None:
        self._take(metrics)
        if self._last == "evaluate":
            self._end(control)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._last != "save":
            return
        saved = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if str(getattr(args.save_strategy, "value", args.save_strategy)) == "no":
            # Made for Pawl only.
            self._end(control, lambda folder: _move(saved, folder))
        else:
            self._end(control, lambda folder: shutil.copytree(saved, folder, dirs_exist_ok=True))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._walk.check_end()

    def _take(self, values: Optional[Mapping[str, Any]]) -> None:
        for name, value in (values or {}).items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if number and name not in _COUNTERS and not name.endswith(_SPEEDS):
                self._metrics[name] = value

    def _end(self, control: Any, save: Optional[Callable[[Path], Any]] = None) -> None:
        self._last = None
        self._walk.end_epoch(self._metrics, self._examples, save, transformers.__version__)
        if self._walk.epoch is None:
            control.should_training_stop = True


def _move(saved: Path, folder: Path) -> None:
    for entry in list(saved.iterdir()):
        shutil.move(str(entry), str(folder))
    saved.rmdir()
