"""python -m tidemark_spark MANIFEST RESULT"""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
