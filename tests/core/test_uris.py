"""What is shown of a tracking URI."""

from jupyter_deploy.core.uris import without_password


def test_a_password_in_a_uri_is_not_shown():
    assert without_password("https://me:secret@host/x") == "https://host/x"
    assert without_password("sqlite:////home/a@b/mlflow.db") == "sqlite:////home/a@b/mlflow.db"
