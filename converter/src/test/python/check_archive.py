"""check_archive.py READER (ARCHIVE FOLDER BASE)...: the documented reader restores every file as it is in FOLDER; BASE may be empty."""
import pathlib
import runpy
import sys

read_archive = runpy.run_path(sys.argv[1])["read_archive"]
for archive, folder, base in zip(sys.argv[2::3], sys.argv[3::3], sys.argv[4::3]):
    files = read_archive(archive, [base] if base else [])
    assert files
    for path, data in files.items():
        assert data == (pathlib.Path(folder) / path).read_bytes(), path
