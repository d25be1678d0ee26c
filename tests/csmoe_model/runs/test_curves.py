"""The training curve as a picture."""

from PIL import Image

from csmoe_model.nn.loss_terms import LOCAL_GLOBAL
from csmoe_model.runs.csv_log import RunLog, pretraining_columns
from csmoe_model.runs.curves import draw_curve


def test_the_curve_of_the_same_log_is_the_same_picture(tmp_path):
    draw_made_up(tmp_path, crops=False)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1210, 660)


def test_the_curve_of_a_run_with_crops_shows_their_term(tmp_path):
    pictures = []
    for factor in (1, 2):
        draw_made_up(tmp_path, crops=True, factor=factor)
        pictures.append((tmp_path / "a.png").read_bytes())
    assert pictures[0] != pictures[1]


def draw_made_up(folder, *, crops, factor=1):
    """Draw a made-up log twice; `factor` scales the term of the crops."""
    log = RunLog(folder / "log.csv", pretraining_columns(crops=crops))
    log.start()
    for step in range(1, 61):
        values = dict.fromkeys(log.columns[3:], 1 / step)
        if crops:
            values[LOCAL_GLOBAL] = factor / step
        log.append({"epoch": 0, "step": step, "split": "train", **values})
        if not step % 20:
            log.append({"epoch": 0, "step": step, "split": "val", **values, "lr": ""})
    for name in ("a.png", "b.png"):
        draw_curve(log, folder / name)
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
