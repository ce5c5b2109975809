"""host.py LIBRARY PROFILE PROFILE: the same as host.c."""

import ctypes
import sys

library = ctypes.CDLL(sys.argv[1])
library.guest_hold.restype = ctypes.c_void_p
library.guest_release.argtypes = [ctypes.c_void_p]
held = library.guest_hold()
failed = library.guest_dump(sys.argv[2].encode())
library.guest_release(held)
sys.exit(failed | library.guest_dump(sys.argv[3].encode()))
