import gzip


def gzipped(data: bytes, level: int = 9) -> bytes:
    """`data` as one member of gzip, the same bytes whenever it is called.

    `gzip.compress` writes the time of day into its header: a file that is compared, or the name of a test, differs a
    second later.
    """
    return gzip.compress(data, level, mtime=0)  # noqa: TID251
