"""Bad inputs: a small valid file with one fault, chosen by a random generator."""

import bad_binaries
import bad_texts
import pyarrow as pa
from bad_values import pick
from rasterio.errors import RasterioError


def spoil(path, rng):
    """Put one fault into a file, or into a file of a folder; return its name."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return spoil(files[rng.integers(len(files))], rng)
    own = _BY_SUFFIX.get(path.suffix.lower(), ())
    faults = (*own, *own, *own, *_OF_BYTES)  # most faults are those of the format
    fault = faults[rng.integers(len(faults))]
    try:
        fault(path, rng)
    except (pa.ArrowException, RasterioError, ValueError, TypeError, OSError):
        cut(path, rng)  # this file cannot have that fault
        fault = cut
    return f"{path.name}: {fault.__name__}"


# --- bytes


def cut(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content) + 1)])


def flip(path, rng):
    content = bytearray(path.read_bytes() or b"x")
    for place in rng.integers(len(content), size=rng.integers(1, 9)):
        content[place] ^= int(rng.integers(1, 256))
    path.write_bytes(content)


def noise(path, rng):
    path.write_bytes(rng.bytes(rng.integers(200)))


def put_in(path, rng):
    content = path.read_bytes()
    place = rng.integers(len(content) + 1)
    more = pick((b"\0" * 9, b"\xff\xfe", b"\r", b"\n\n\n", b"{" * 99, b"\xef\xbb\xbf"), rng)
    path.write_bytes(content[:place] + more + content[place:])


def page(path, rng):
    del rng
    path.write_text("<!doctype html><html><body>Log in</body></html>")


def become_a_folder(path, rng):
    del rng
    path.unlink()
    path.mkdir()


def be_missing(path, rng):
    del rng
    path.unlink()


_OF_BYTES = (cut, flip, noise, put_in, page, become_a_folder, be_missing)
_BY_SUFFIX = bad_texts.BY_SUFFIX | bad_binaries.BY_SUFFIX
