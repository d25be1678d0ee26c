"""Logger of a run: CSV logs, pictures and trackers, written by the first process."""

from collections.abc import Mapping

from PIL import Image

from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Picture, Tracker, Tracking, start_trackers
from minortom.io.atomic_write import atomic_file


class RunLogger:
    """Writes the rows and pictures of a run to its files and to the trackers."""

    def __init__(self, folder: RunFolder, tracking: Tracking, *, step: int) -> None:
        """Delete the rows after `step`, from which the run continues; start the trackers."""
        self._folder, self._log, self._experts = folder, folder.log, folder.experts
        self._log.keep_until(step)
        if self._experts.path.is_file():
            self._experts.keep_until(step)
        self._trackers: list[Tracker] = start_trackers(
            tracking, folder.path, name=folder.path.name, step=step
        )

    def write_row(self, *, epoch: int, step: int, split: str, numbers: Mapping[str, float]) -> None:
        """Write a row to `log.csv`, and the numbers named `LAYER/…` to `experts.csv`."""
        where: dict[str, float | str] = {"epoch": epoch, "step": step, "split": split}
        self._log.append({**where, **{k: v for k, v in numbers.items() if "/" not in k}})
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
            tracker.log_numbers(step, named)

    def write_picture(self, step: int, pixels: Picture) -> None:
        """Write the picture of the reconstructions after a step."""
        self._folder.reconstructions.mkdir(exist_ok=True)
        with atomic_file(self._folder.reconstructions / f"step-{step:08d}.png") as temporary:
            Image.fromarray(pixels).save(temporary, format="png")
        for tracker in self._trackers:
            tracker.log_picture(step, "reconstructions", pixels)

    def has_validation(self, step: int) -> bool:
        """Return whether the log has a validation row for a step."""
        return any(int(row["step"]) == step for row in self._log.rows("val"))

    def close(self) -> None:
        """Close the trackers; they write their buffers."""
        for tracker in self._trackers:
            tracker.close()
