"""From the bytes of a body to rows that fit the contract, or to a list of what does not.

Rule 1: the careful pass (`careful`, `tensors.read_rows`) says what is accepted; the fast pass
(`frames`, `TensorReader`) accepts a part of that in compiled code, with the same result, and gives
None otherwise.
Rule 2: a value is checked and never bent.  Rule 3: no answer repeats a value that was sent.
"""

from jupyter_deploy.gateway.decode.decoder import InputDecoder
from jupyter_deploy.gateway.decode.rows import Input

__all__ = ["Input", "InputDecoder"]
