"""Files of 3D flows and fields by the libraries that write them: read, refused, equal?

    python benchmarks/pde_layouts write FOLDER   # where the libraries are, one environment for all
    python benchmarks/pde_layouts read FOLDER    # where this plugin is

`write` makes each file with its own library, or copies one that a package ships, and keeps beside
it what that library reads from it. `read` opens the files as a user would, and compares values,
points, units and boundaries. A file that must be refused is right only if the message has the
expected words, fixed in the list of files. `--before` writes the state before a change of the
readers.

No file is kept in this repository. The environment for `write` has, by `pip install`: vtk, pyvista,
meshio, pyevtk, discretize, netCDF4, h5netcdf, zarr, scipy, openpmd-api, yt, py-pde, hdf5storage,
fluidsim, fluidfft, pyfftw, phiflow, exponax, apebench, jax-cfd, arm_pyart, MITgcmutils, pymech,
torch, hydra-core, python-dotenv; and with `--no-deps`: the_well, einops, pbdl, givernylocal,
pdebench (with `--ignore-requires-python`). `FOREIGN_SOURCES` names a folder with the source
distributions of iris-sample-data, xroms and cfgrib (`pip download --no-deps --no-binary :all:`),
and `FOREIGN_DEBIAN` one with Debian's openfoam, openfoam-examples and what they need
(`apt-get download`, `dpkg -x`). What cannot be made is named, and its row stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


def main() -> int:
    """Write the files, or read them and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("write", "read"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", help="files whose names hold one of these words")
    parser.add_argument("--before", action="store_true", help="write pde_layouts_before.csv")
    options = parser.parse_args()
    if options.what == "read":
        import score

        return score.main(options.folder, options.only, before=options.before)
    return write(options.folder.resolve(), options.only)


def write(folder: Path, only: list[str] | None) -> int:
    """Make all files; return the number of those that could not be made."""
    import arrays
    import cells
    import learning
    import named

    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for maker in (*learning.MAKERS, *arrays.MAKERS, *named.MAKERS, *cells.MAKERS):
        if only and not any(word in maker.__name__ for word in only):
            continue
        try:
            layout = maker(folder)
        except Exception as error:  # a library that is missing must not stop the others
            failed += 1
            print(f"{maker.__module__}.{maker.__name__}: {type(error).__name__}: {error}")
        else:
            layout.save(folder)
            print(f"{layout.file}: {layout.writer}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
