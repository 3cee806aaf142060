"""python -m einjit: the command line that the package carries."""

import os
import sys


def main() -> int:
    """Becomes the command; 2 where the package was built without it."""
    folder = os.path.dirname(os.path.abspath(__file__))
    command, module = os.path.join(folder, "bin", "einjit"), os.path.join(folder, "libeinjit-llvm.so")
    if not os.path.exists(command):
        print(
            "einjit: this package was built without the command line (libjansson's archive was missing)",
            file=sys.stderr,
        )
        return 2
    if os.path.exists(module):
        os.environ.setdefault("EINJIT_MODULE", module)
    os.execv(command, [command, *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
