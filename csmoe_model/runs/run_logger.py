"""The books of a run: its logs, its pictures, and the trackers; kept by the first process."""

from collections.abc import Mapping

from PIL import Image

from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Picture, Tracker, Tracking, start_trackers
from minortom.io.atomic_write import whole_file


class RunLogger:
    """Writes rows and pictures of a run that goes on after some steps."""

    def __init__(self, folder: RunFolder, tracking: Tracking, *, step: int) -> None:
        """Drop what was written after the step, and start the trackers."""
        self._folder, self._experts = folder, folder.experts
        folder.log.keep_until(step)
        if self._experts.path.is_file():
            self._experts.keep_until(step)
        self._trackers: list[Tracker] = start_trackers(
            tracking, folder.path, name=folder.path.name, step=step
        )

    def row(self, *, epoch: int, step: int, split: str, numbers: Mapping[str, float]) -> None:
        """Write a row of each log; numbers named `LAYER/…` go to the experts'."""
        where: dict[str, float | str] = {"epoch": epoch, "step": step, "split": split}
        self._folder.log.append({**where, **{k: v for k, v in numbers.items() if "/" not in k}})
        layers: dict[str, dict[str, float]] = {}
        for name, value in numbers.items():
            layer, slash, what = name.rpartition("/")
            if slash:
                layers.setdefault(layer, {})[what] = value
        if layers:
            self._experts.append(
                *({**where, "layer": layer, **values} for layer, values in layers.items())
            )
        named = {
            f"{'experts_' if '/' in name else ''}{split}/{name}": value
            for name, value in numbers.items()
        }
        for tracker in self._trackers:
            tracker.numbers(step, named)

    def picture(self, step: int, pixels: Picture) -> None:
        """Keep the reconstructions after a step."""
        self._folder.reconstructions.mkdir(exist_ok=True)
        with whole_file(self._folder.reconstructions / f"step-{step:08d}.png") as temporary:
            Image.fromarray(pixels).save(temporary, format="png")
        for tracker in self._trackers:
            tracker.picture(step, "reconstructions", pixels)

    def validated(self, step: int) -> bool:
        """Tell whether there is a row of the validation after a step."""
        return any(int(row["step"]) == step for row in self._folder.log.rows("val"))

    def close(self) -> None:
        """Let the trackers write what is left."""
        for tracker in self._trackers:
            tracker.close()
