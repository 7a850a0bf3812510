"""What the gateway serves beside predictions: health, documents and metrics."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from openapi_spec_validator import OpenAPIV31SpecValidator

from jupyter_deploy.core.contract import Column, Contract, Form, Type
from tests.process.served import EXAMPLE


def test_ping_and_version_answer_without_a_key_where_there_is_an_endpoint(stack):
    for root in ("/endpoints/churn", "/endpoints/churn/versions/1.1.0"):
        assert stack.client.get(f"{root}/ping").text == "\n"
        assert stack.client.get(f"{root}/version").text == "3.17.0"
    for root in ("/endpoints/no-such-one", "/endpoints/churn/versions/9.0.0"):
        assert stack.client.get(f"{root}/ping").status_code == 401


def test_who_asks_for_a_path_that_is_not_served_reads_which_are(stack, key):
    unknown = [
        stack.client.get("/"),
        stack.client.get("/endpoints/churn/predict", auth=("", key)),
    ]
    for answer in unknown:
        said = answer.json()
        assert (answer.status_code, said["type"].rpartition("#")[2]) == (404, "unknown-route")
        assert "POST /endpoints/NAME/invocations" in said["fix"]


def test_the_openapi_document_is_valid_and_its_example_works(stack, key):
    assert stack.client.get("/endpoints/churn/openapi.json").status_code == 401
    document = stack.client.get("/endpoints/churn/openapi.json", auth=("", key)).json()
    OpenAPIV31SpecValidator(document).validate()
    ((path, operation),) = [item for item in document["paths"].items() if "post" in item[1]]
    example = operation["post"]["requestBody"]["content"]["application/json"]["example"]
    answer = stack.client.post(document["servers"][0]["url"] + path, json=example,
                               headers={"X-API-Key": key})  # fmt: skip
    assert answer.status_code == 200
    schema = document["components"]["schemas"]
    assert _valid(schema["Request"], example)
    assert _valid(schema["Answer"], answer.json())
    assert not _valid(schema["Request"], {"dataframe_records": [{"tenure": 1.5}]})


def _valid(schema: dict, value: object) -> bool:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema).is_valid(value)


def test_a_version_without_a_sample_has_a_valid_document_with_an_example_that_works(stack, key):
    for path in ("/endpoints/total", "/endpoints/churn/versions/1.1.0"):
        document = stack.client.get(f"{path}/openapi.json", auth=("", key)).json()
        OpenAPIV31SpecValidator(document).validate()
        operation = document["paths"][f"{path}/invocations"]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        answer = stack.client.post(f"{path}/invocations", json=example, auth=("", key))
        assert len(answer.json()["predictions"]) == 1


def test_the_page_for_people_runs_nothing_and_escapes_what_it_shows(stack, key):
    strange = Contract(Form.FRAME, (Column("<script>x</script>", Type.STRING, "str"),))
    stack.publish(endpoints=stack.snapshot.endpoints)
    route = replace(stack.snapshot.endpoints[0].versions[0], contract=strange, replicas=(),
                    example=json.dumps({"inputs": {"<script>x</script>": ["'"]}}))  # fmt: skip
    endpoints = (*stack.snapshot.endpoints,
                 replace(stack.snapshot.endpoints[0], name="gone", versions=(route,)))  # fmt: skip
    before = stack.snapshot.endpoints
    stack.publish(endpoints=endpoints)
    try:
        answer = stack.client.get("/endpoints/gone/docs", auth=(key, ""))
        assert stack.client.get("/endpoints/gone/docs").status_code == 401
    finally:
        stack.publish(endpoints=before)
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_metrics_are_those_of_the_keys_endpoints(stack, key):
    stack.predict("total", {"inputs": [[1, 2]]}, key)
    stack.predict("churn", EXAMPLE, key)
    assert stack.client.get("/metrics").status_code == 401
    only_total = stack.key("total", consumer="scraper")
    text = stack.client.get("/metrics", headers={"X-API-Key": only_total}).text
    assert 'endpoint="total"' in text
    assert 'endpoint="churn"' not in text
    assert re.search(
        r'jupyter_deploy_requests_total\{consumer="tester",endpoint="total",status="200"', text
    )
    assert "jupyter_deploy_gateway_process_resident_memory_bytes" in text
    key_ids = [stored.key_id for stored in stack.snapshot.keys]
    assert not any(key_id in text for key_id in key_ids)


def test_the_admin_socket_tells_the_figures_of_each_endpoint(stack, key):
    before = stack.admin.get("/stats").json()["endpoints"]["total"]
    stack.predict("total", {"inputs": [[1, 2], [3, 4]]}, key)
    stack.predict("total", {"inputs": "x"}, key)
    after = stack.admin.get("/stats").json()
    assert after["pid"] == stack.gateway.pid
    change = {name: after["endpoints"]["total"][name] - before[name]
              for name in ("requests", "rows", "waiting")}  # fmt: skip
    assert change == {"requests": 2, "rows": 2, "waiting": 0}
    assert 'endpoint="churn"' in stack.admin.get("/metrics").text
