"""The kernel's side of a deploy: from a live model to a version that the supervisor proves."""

from jupyter_deploy.pipeline.deploying import Deployed, StoppedTooLate, run

__all__ = ["Deployed", "StoppedTooLate", "run"]
