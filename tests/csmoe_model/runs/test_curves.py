"""The training curve as a picture."""

from PIL import Image

from csmoe_model.runs.csv_log import COLUMNS, RunLog
from csmoe_model.runs.curves import draw_curve


def test_the_curve_of_the_same_log_is_the_same_picture(tmp_path):
    log = RunLog(tmp_path / "log.csv")
    log.start()
    for step in range(1, 61):
        values = dict.fromkeys(COLUMNS[3:], 1 / step)
        log.append({"epoch": 0, "step": step, "split": "train", **values})
        if not step % 20:
            log.append({"epoch": 0, "step": step, "split": "val", **values, "lr": ""})
    for name in ("a.png", "b.png"):
        draw_curve(log, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1210, 660)
