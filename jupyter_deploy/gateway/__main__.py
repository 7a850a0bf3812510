"""`python -m jupyter_deploy.gateway CONFIG.json`: run one gateway."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import uvloop

from jupyter_deploy.gateway.allocator import keep_large_blocks_apart
from jupyter_deploy.gateway.config import GatewayConfig
from jupyter_deploy.gateway.log import Log, set_up
from jupyter_deploy.gateway.process import serve

_USAGE = 64


def main(arguments: list[str]) -> int:
    """Serve as the configuration file says; the status to exit with."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m jupyter_deploy.gateway CONFIG.json\n")
        return _USAGE
    try:
        config = GatewayConfig.read(Path(arguments[0]))
    except (OSError, msgspec.MsgspecError) as error:
        sys.stderr.write(f"The configuration cannot be read: {error}\n")
        return _USAGE
    set_up(config.level)
    keep_large_blocks_apart()
    uvloop.run(serve(config, Log("gateway")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
