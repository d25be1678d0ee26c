"""Area of a synthetic planet that a user chooses, and the turn of the planet that has land there.

Places of the planet are made up, so that it may be turned about its axis: latitudes, and with them
climates, stay.
"""

from dataclasses import replace

import numpy as np

from minortom.grid.cells import Cells
from minortom.synthetic.maps import Planet


def turned_to(planet: Planet, area: Cells) -> Planet:
    """Return the planet turned about its axis so that most cells of an area are land.

    The smallest eastward turn is used if several have the same number of land cells.
    """
    land = planet.climate > 0
    height, width = land.shape
    lon_deg, lat_deg = area.centres()
    row = ((90 - lat_deg) / 180 * height).astype(np.int64).clip(0, height - 1)
    col = ((lon_deg + 180) / 360 * width).astype(np.int64) % width
    cells = np.bincount(row * width + col, minlength=land.size).reshape(land.shape)
    # Land cells of each turn: the circular cross-correlation along the rows, by Fourier transform.
    spectrum = np.conj(np.fft.rfft(cells, axis=1)) * np.fft.rfft(land, axis=1)
    land_cells = np.rint(np.fft.irfft(spectrum.sum(axis=0), n=width))
    turn = int(np.argmax(land_cells))
    fine = planet.landcover.shape[1] // width
    return replace(
        planet,
        climate=np.roll(planet.climate, -turn, axis=1),
        landcover=np.roll(planet.landcover, -turn * fine, axis=1),
    )
