"""The Hugging Face Trainer under Pawl: it trains the epochs that Pawl asks for.

    callback = pawl.transformers.PawlCallback()
    arguments = TrainingArguments("out", **callback.arguments(learning_rate=5e-5))
    trainer = Trainer(model, arguments, train_dataset=data, callbacks=[callback])
    trainer.train(resume_from_checkpoint=pawl.transformers.restored())
"""

import atexit
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional

from . import Epoch, TrainerError, current, run
from ._walk import Walk, checkpoint_folder, sampler_of

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
_STATE = "trainer_state.json"
# What the Trainer logs beside metrics: how far it is, and how fast this machine is.
_COUNTERS = {"epoch", "step"}
_SPEEDS = ("total_flos", "_runtime", "_per_second")


def restored() -> Optional[str]:
    """What to give ``trainer.train`` as ``resume_from_checkpoint``; None where training begins. Raises TrainerError.

    To be called after the callback was made, which takes the epoch whose sizes it is to be trained with.
    """
    try:
        size = current().micro_batch_size
    except TrainerError:
        raise TrainerError(
            "MISUSE", "restored() does not know yet what is trained next.", "Make pawl.transformers.PawlCallback() before."
        ) from None
    folder = checkpoint_folder()
    return None if folder is None else str(_at_size(folder, size))


def _at_size(folder: Path, size: Optional[int]) -> Path:
    """The checkpoint, to be trained on from in micro-batches of ``size``.

    It holds the size that it was trained with, and the Trainer would take that for its loader, also where memory ran out since.
    """
    state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    if size is None or state.get("train_batch_size") in (None, size):
        return folder
    view = Path(tempfile.mkdtemp(prefix="pawl-"))
    atexit.register(shutil.rmtree, view, ignore_errors=True)
    for entry in folder.iterdir():
        if entry.name != _STATE:
            (view / entry.name).symlink_to(entry.resolve())
    (view / _STATE).write_text(json.dumps({**state, "train_batch_size": size}), encoding="utf-8")
    return view


class PawlCallback(_Callback):  # type: ignore[misc]
    """Takes epochs from Pawl; reports each with what the Trainer logged and evaluated, and saves the Trainer's checkpoint.

    Takes the first epoch when it is made. ``examples`` is the number of examples in an epoch, where it is to be reported.
    """

    def __init__(self, *, examples: Optional[int] = None) -> None:
        self._walk = Walk(_FRAMEWORK)
        self._examples = examples
        self._metrics: Dict[str, Any] = {}
        self._logged_at = self._taken = 0
        self._last: Optional[str] = None
        self._batch_size = self.epoch.batch_size
        self._parts = self.epoch.micro_batch_size, self.epoch.accumulation
        self._keep_parts()

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
        self._check_steps(args, state, kwargs.get("train_dataloader"))

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        given = self.epoch
        if self._last is not None:
            raise TrainerError(
                "MISUSE",
                f"The Trainer did not {self._last} at the end of epoch {given.number}, as Pawl's callback had asked.",
                "Let no other callback set should_save, should_evaluate and should_log back in on_epoch_end.",
            )
        self._metrics = {}
        self._taken = 0
        if given.batch_size != self._batch_size:
            raise TrainerError(
                "MISUSE",
                f"Epoch {given.number} has batch size {given.batch_size}, and the Trainer keeps "
                f"{self._batch_size}: it cannot change it while it trains.",
                "Give the job one batch size, such as batchSize: 32.",
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        sampler = sampler_of(kwargs.get("train_dataloader"))
        if sampler is not None:
            self._taken = min(self._taken + sampler._step_size, sampler.size)
        self._walk.step(None if sampler is None else self._taken)

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

    def _check_steps(self, args: Any, state: Any, loader: Any) -> None:
        """Refuses to train with other steps than Pawl's, which would go on otherwise than after an interruption."""
        batch_size, (micro, accumulation) = self._batch_size, self._parts
        if batch_size is not None and args.gradient_accumulation_steps != accumulation:
            raise TrainerError(
                "MISUSE",
                f"The Trainer has gradient_accumulation_steps={args.gradient_accumulation_steps}, and Pawl's batchSize "
                f"{batch_size} is a whole step of the optimizer: {accumulation} times {micro}.",
                "Give TrainingArguments what callback.arguments() has. For larger steps, give the job a larger batchSize.",
            )
        if accumulation is None or accumulation == 1 or args.max_steps > 0 or not hasattr(loader, "__len__"):
            return
        batches = len(loader)
        if state.max_steps < -(-batches // accumulation) * args.num_train_epochs:
            another_loader = " Or give the Trainer a loader with pawl.torch.BatchSampler."
            raise TrainerError(
                "MISUSE",
                f"An epoch has {batches} micro-batches, which is no whole number of steps of {accumulation}, and "
                f"{_FRAMEWORK} {transformers.__version__} takes what is left into the next one.",
                "Let the batchSize divide the number of examples, or use a newer Transformers."
                f"{another_loader if sampler_of(loader) is None else ''}",
            )

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
        else:
            # At once: the Trainer counts an epoch's micro-batches before it says that it begins.
            self._keep_parts()

    def _keep_parts(self) -> None:
        """Memory may allow more at once than when this Trainer began, but it keeps what it was given."""
        self.epoch._keep_parts(*self._parts)


def _move(saved: Path, folder: Path) -> None:
    for entry in list(saved.iterdir()):
        shutil.move(str(entry), str(folder))
    saved.rmdir()
