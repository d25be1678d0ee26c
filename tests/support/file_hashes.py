"""Hashes of files, to compare folders."""

import hashlib


def hashes(folder):
    """Return the SHA-256 of each file in a folder and below, by its path."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }
