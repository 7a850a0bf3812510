"""`python -m jupyter_deploy.supervisor`."""

from jupyter_deploy.supervisor.app import main

if __name__ == "__main__":
    main()
