"""Inputs of an export: the selection, and the archives of both sensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minortom.archive.archive import Archive
from minortom.extraction.options import ExportOptions, Missing
from minortom.extraction.products import pairs_of
from minortom.extraction.reserves import ExportPlan
from minortom.extraction.selection import SelectedTiles, read_selection
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import stored_licences
from minortom.remote.http import is_url


@dataclass(frozen=True, kw_only=True)
class ExportInputs:
    """An opened selection with the opened archives of Sentinel-2 and Sentinel-1."""

    selection: Path
    tiles: SelectedTiles
    """The rows of the selection that are exported."""
    archives: tuple[Archive, Archive]
    """Sentinel-2, then Sentinel-1."""
    local_paths: tuple[Path, ...]
    """The selection and the archives that are folders: files that no output may replace."""

    @classmethod
    def open(
        cls, selection: Path, s2: str | Path, s1: str | Path, *, columns: Sequence[str] = ()
    ) -> "ExportInputs":
        """Read the selection, and the metadata of the archives.

        Args:
            selection: Output of ``minortom sample``.
            s2: Sentinel-2 archive, such as Core-S2L2A: a folder or an address, see
                ``Archive.open``.
            s1: Sentinel-1 archive, such as Core-S1RTC.
            columns: Columns of the selection that become metadata columns.

        Raises:
            InputError: If the file is not a selection, or has no such column.
            ArchiveError: If an archive is not in Major TOM's layout.
            RemoteError: If the metadata of a remote archive cannot be downloaded.
        """
        archives = (Archive.open(s2, "s2"), Archive.open(s1, "s1"))
        folders = [Path(place) for place in (s2, s1) if not is_url(str(place))]
        return cls(
            selection=selection, tiles=read_selection(selection, columns), archives=archives,
            local_paths=(selection, *folders),
        )  # fmt: skip

    @property
    def licences(self) -> tuple[str, ...]:
        """Licences that the shards inherit, each once: of the archives and the selection's maps."""
        found = [line for archive in self.archives for line in archive.licences]
        return tuple(dict.fromkeys([*found, *stored_licences(self.selection)]))

    def provenance(self, options: ExportOptions) -> Provenance:
        """Return all that the bytes of the shards depend on."""
        return Provenance(
            command="export",
            options=options.recorded(),
            inputs={
                "selection": sha256_of(self.selection),
                "s2_metadata": sha256_of(self.archives[0].metadata_path),
                "s1_metadata": sha256_of(self.archives[1].metadata_path),
            },
            seed=options.seed,
            licences=self.licences,
        )

    def plan(self, options: ExportOptions) -> ExportPlan:
        """Pair the tiles of both sensors and plan the first round of tiles.

        Raises:
            ArchiveError: If an archive has no tile for a selected cell, no reserve replaces it and
                ``missing`` is ``error``; or if no tile is left.
        """
        return ExportPlan(
            self.tiles, pairs_of(self.tiles, self.archives), seed=options.seed,
            skip_missing=options.missing == Missing.SKIP,
        )  # fmt: skip
