"""Starts the job: tidemark_job.py MANIFEST RESULT, or with --manifest and
--result among arguments that the engine adds (as AWS Glue does)."""

import sys


def uris(args: list[str]) -> list[str]:
    """The URIs of the manifest and the result."""
    if len(args) == 2 and not args[0].startswith("--"):
        return args
    found = {}
    for i, arg in enumerate(args):
        name, sign, value = arg.partition("=")
        if name in ("--manifest", "--result"):
            found[name] = value if sign else "".join(args[i + 1 : i + 2])
    if not all(found.get(name) for name in ("--manifest", "--result")):
        sys.exit("usage: tidemark_job.py MANIFEST RESULT")
    return [found["--manifest"], found["--result"]]


if __name__ == "__main__":
    found = uris(sys.argv[1:])
    from tidemark_spark.main import main

    code = main(found)
    if code:  # AWS Glue takes any SystemExit for a failure
        sys.exit(code)
