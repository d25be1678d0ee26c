"""Images as NumPy arrays, and images that are refused."""

import numpy as np
import pytest
import torch
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.preprocess import Preprocess
from minortom.errors import InputError
from minortom.sensors import GROUPS


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    made = CSMoE(MODEL).eval()
    made.preprocess = Preprocess(
        {
            g.column: {
                "bands": g.bands, "mean": [1000.0] * len(g.bands), "std": [500.0] * len(g.bands),
            }
            for g in GROUPS
        }
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def measured():
    """Reflectance × 10,000 as uint16, and dB as float32."""
    rng = np.random.default_rng(0)
    s2 = rng.integers(0, 10_000, (3, 10, 16, 16)).astype(np.uint16)
    s1 = rng.uniform(-30, 5, (3, 2, 16, 16)).astype(np.float32)
    return torch.from_numpy(s2), torch.from_numpy(s1)


@pytest.mark.parametrize(
    "dtype", ["uint16", ">u2", "int32", "int64", "uint32", "float32", "float64", ">f4"]
)
def test_arrays_of_any_numeric_dtype_are_prepared_as_tensors_are(model, measured, dtype):
    s2, _ = measured

    found = model.prepare(s2=s2.numpy().astype(dtype))["s2"]

    assert found.dtype == torch.float32
    assert torch.equal(found, model.prepare(s2=s2)["s2"])


def test_arrays_that_are_read_only_or_reversed_are_prepared_without_a_warning(
    model, measured, recwarn
):
    s2, s1 = measured
    array = s2.numpy()[:, ::-1].copy()[:, ::-1]  # negative strides
    array.flags.writeable = False

    found = model.prepare(s2=array, s1=s1.numpy())

    assert torch.equal(found["s2"], model.prepare(s2=s2)["s2"])
    assert torch.equal(found["s1"], model.prepare(s1=s1)["s1"])
    assert not recwarn.list


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_normalised_arrays_are_encoded_as_float32_tensors_are(model, measured, dtype):
    image = model.prepare(s1=measured[1])["s1"].numpy().astype(dtype)
    tensor = torch.from_numpy(image).float()
    wanted = model.encode(s1=tensor, patch_tokens=True)

    found = model.encode(s1=image, patch_tokens=True)

    assert list(found) == ["s1", "s1_tokens"]
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    (features,) = model.features(s1=image, layers=(-1,))
    assert torch.equal(
        features, model.features(s1=torch.from_numpy(image).float(), layers=(-1,))[0]
    )


def test_an_array_that_is_not_normalised_is_not_encoded(model):
    with pytest.raises(InputError, match="must be normalised.*found torch.uint16.*prepare"):
        model.encode(s1=np.ones((1, 2, 16, 16), np.uint16))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[1.0]], r"s1 images must be a NumPy array .* \[batch, 2, height, width\], found list;"),
        ("s1.tif", "found str; convert them with numpy.asarray"),
        (np.ones((2, 16, 16)), r"found \[2, 16, 16\]; add an axis for the batch: images\[None\]"),
        (np.ones((1, 16, 16, 2)), r"\[batch, 2, height, width\] .*, found \[1, 16, 16, 2\]$"),
        (np.ones((1, 2, 16, 16), bool), "must hold integers or floating-point numbers, found bo"),
        (np.ones((1, 2, 16, 16), complex), "floating-point numbers, found complex128; convert"),
        (torch.ones(1, 2, 16, 16, dtype=torch.bool), "found torch.bool; convert"),
        (np.full((1, 2, 16, 16), "a"), "floating-point numbers, found <U1; convert"),
        (np.ma.masked_less(np.zeros((1, 2, 16, 16)), 1), "no masked pixels, found some; fill"),
        (np.zeros((0, 2, 16, 16)), "at least one image, found none"),
    ],
)  # fmt: skip
def test_images_of_a_wrong_type_or_shape_are_refused_in_one_line(model, images, message):
    for method in (model.prepare, model.encode):
        with pytest.raises(InputError, match=message) as caught:
            method(s1=images)
        assert "\n" not in str(caught.value)


def test_band_names_in_one_text_are_refused_with_the_list(model):
    with pytest.raises(InputError, match=r"found the text 'vh,vv'; pass \['vh', 'vv'\]"):
        model.prepare(s1=torch.zeros(1, 2, 16, 16), s1_bands="vh,vv")


@pytest.mark.parametrize("size", [0, 16.5, "16"])
def test_an_image_size_that_is_no_whole_number_is_refused(model, size):
    with pytest.raises(InputError, match="image_size must be a whole number of at least 1, found"):
        model.prepare(s1=torch.zeros(1, 2, 16, 16), image_size=size)


def test_a_model_is_not_made_from_a_name():
    with pytest.raises(InputError, match="config must be a ModelConfig, found str; get one from"):
        CSMoE("tiny")


@pytest.mark.parametrize(
    ("sensor", "convert", "message"),
    [
        ("s2", lambda v: v / 10_000, "which is reflectance from 0 to 1; multiply it by 10,000"),
        ("s2", lambda v: v / 100, "which is reflectance in percent; multiply it by 100"),
        ("s1", lambda v: 10 ** (v / 10), "which is linear power; take 10 · log10"),
        ("s1", lambda v: 10 ** (v / 20), "which is amplitude; take 20 · log10"),
    ],
)
def test_values_in_another_unit_are_not_prepared(model, sensor, convert, message):
    rng = np.random.default_rng(0)
    pixels = {
        "s2": rng.gamma(3, 400, (2, 10, 16, 16)).astype(np.float32),
        "s1": rng.normal([[[[-8.0]], [[-14.0]]]], 1.5, (2, 2, 16, 16)).astype(np.float32),
    }[sensor]
    model.prepare(**{sensor: pixels})
    other = convert(pixels)
    other[0, 0, 0, 0] *= 50  # one bright pixel
    with pytest.raises(InputError, match=message):
        model.prepare(**{sensor: other})
