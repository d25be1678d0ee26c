import numpy as np
import pytest

from minortom.errors import InputError
from minortom.grid.bbox import BBox, as_bbox


def inside(text: str, *lonlat_deg: tuple[float, float]) -> list[bool]:
    lon_deg, lat_deg = np.array(lonlat_deg, dtype=float).T
    return BBox.parse(text).contains(lon_deg, lat_deg).tolist()


def test_a_box_contains_points_between_its_edges_and_on_them():
    points = [(0, 0), (10, 5), (10.1, 0), (0, 5.1), (-10, -5), (-10.1, 0)]
    assert inside("-10,-5,10,5", *points) == [True, True, False, False, True, False]


def test_west_above_east_means_across_the_antimeridian():
    points = [(179, 0), (-179, 0), (170, 0), (-170, 0), (180, 0), (-180, 0), (0, 0)]
    assert inside("175,-5,-175,5", *points) == [True, True, False, False, True, True, False]


@pytest.mark.parametrize("text", ["170,0,180,1", "-180,0,-170,1"])
def test_both_names_of_the_antimeridian_lie_on_its_edge(text):
    assert inside(text, (180, 0.5), (-180, 0.5)) == [True, True]


def test_the_whole_globe_contains_every_point():
    assert inside("-180,-90,180,90", (180, 90), (-180, -90), (0, 0)) == [True, True, True]


def touched(text, *boxes_deg):
    edges = np.array(boxes_deg, dtype=float).T
    return BBox.parse(text).touches_boxes(*edges).tolist()


def test_a_box_touches_boxes_that_share_area_but_not_boxes_that_share_an_edge():
    boxes = [(2, 1, 3, 2), (-1, -1, 1, 1), (-5, -5, 5, 5), (1, 1, 2, 2), (2, 2, 4, 3), (2, 5, 4, 6)]
    assert touched("1,1,3,2", *boxes) == [True, False, True, True, False, False]


def test_a_box_over_the_antimeridian_touches_what_lies_on_both_sides_and_on_it():
    boxes = [(179, 0, 180, 1), (-180, 0, -179, 1), (179.9, 0, 180.1, 1), (0, 0, 1, 1)]
    assert touched("175,0,-175,1", *boxes) == [True, True, True, False]
    assert touched("-180,0,-179.95,1", *boxes) == [False, True, True, False]


def test_a_point_touches_the_box_that_owns_it():
    boxes = [(0, 0, 1, 1), (1, 0, 2, 1), (0, 1, 1, 2), (1, 1, 2, 2)]
    assert touched("1,1,1,1", *boxes) == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [("1,2,3", "expected a box W,S,E,N .*, found '1,2,3'"), ("a,b,c,d", "expected a box"),
     ("", "expected a box"), ("1,2,3,4,5", "expected a box"),
     ("-181,0,0,1", "for the west edge of the box, found -181"),
     ("0,0,360,1", "for the east edge of the box, found 360"), ("0,-91,1,1", "south edge"),
     ("0,0,1,nan", "north edge"), ("0,5,1,4", "south edge 5.0 above the north edge 4.0")],
)  # fmt: skip
def test_text_that_is_not_a_box_is_an_error(text, message):
    with pytest.raises(InputError, match=message):
        BBox.parse(text)


def test_python_takes_text_four_numbers_or_a_box():
    box = BBox(west=-10, south=35, east=30, north=60)
    for value in ("-10,35,30,60", (-10, 35, 30, 60), np.array([-10, 35, 30, 60]), box):
        assert as_bbox(value) == box
    assert as_bbox(None) is None


@pytest.mark.parametrize("value", [(1, 2, 3), 5, ["a", "b", "c", "d"], {"west": 1}])
def test_another_type_is_an_error_that_says_what_was_expected(value):
    with pytest.raises(InputError, match="bbox must be 'W,S,E,N', four numbers or a BBox, found"):
        as_bbox(value)
