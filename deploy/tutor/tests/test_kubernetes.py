"""The objects for Kubernetes, checked against its schemas."""

import kubernetes_validate
import pytest

NEWEST_SCHEMA = "1.37"
OLDEST_SCHEMA = "1.27"


def pod_of(site, kind):
    name = "lernito" if kind == "Deployment" else "lernito-job"
    return site.kubernetes[kind, name]["spec"]["template"]


def test_conform_to_the_schemas(site):
    ours = [one for (_, name), one in site.kubernetes.items() if name in ("lernito", "lernito-job")]
    assert len(ours) == 5
    for one in ours:
        for version in (OLDEST_SCHEMA, NEWEST_SCHEMA):
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_run_without_rights_on_a_file_system_that_they_can_not_write_to(site, kind):
    pod = pod_of(site, kind)["spec"]
    security = pod["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"], security["runAsGroup"]) == (True, 1000, 1000)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_pods_have_the_settings_of_the_secret_and_no_others(site, kind):
    pod = pod_of(site, kind)["spec"]
    (container,) = pod["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "lernito"}}]
    assert "env" not in container
    assert pod["enableServiceLinks"] is False, "the Service would set LERNITO_PORT to tcp://..."
    assert container["image"] == site.settings.get("LERNITO_DOCKER_IMAGE", "docker.io/lernito-openedx:0.1.0")


def test_the_deployment_is_probed_and_has_its_replicas(site):
    deployment = site.kubernetes["Deployment", "lernito"]["spec"]
    assert deployment["replicas"] == site.settings.get("LERNITO_REPLICAS", 1)
    (container,) = deployment["template"]["spec"]["containers"]
    (port,) = container["ports"]
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_service_and_budget_choose_the_pods_of_the_deployment(site):
    labels = pod_of(site, "Deployment")["metadata"]["labels"]
    service = site.kubernetes["Service", "lernito"]["spec"]
    budget = site.kubernetes["PodDisruptionBudget", "lernito"]["spec"]
    for selector in (service["selector"], budget["selector"]["matchLabels"]):
        assert selector["app.kubernetes.io/name"] == "lernito"
        assert selector.items() <= labels.items()
    (port,) = service["ports"]
    (container,) = pod_of(site, "Deployment")["spec"]["containers"]
    assert port["port"] == container["ports"][0]["containerPort"] == 8790
    assert budget["maxUnavailable"] == site.settings.get("LERNITO_MAX_UNAVAILABLE", 1)


def test_start_lernito_applies_all_of_it_but_the_job(site):
    names = {
        kind
        for (kind, _), one in site.kubernetes.items()
        if one["metadata"].get("labels", {}).get("app.kubernetes.io/name") == "lernito"
    }
    assert names == {"Secret", "Deployment", "Service", "PodDisruptionBudget"}


def test_the_job_is_what_tutor_takes_for_one(site):
    job = site.kubernetes["Job", "lernito-job"]
    assert job["metadata"]["labels"]["app.kubernetes.io/component"] == "job"
    pod = job["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["command"] == []


def test_pods_are_replaced_when_a_setting_changes_and_only_then(new_site):
    site = new_site().save()

    def mark():
        site.__dict__.pop("kubernetes", None)
        return pod_of(site, "Deployment")["metadata"]["annotations"]["lernito/environment"]

    first = mark()
    site.save()
    assert mark() == first
    site.tutor("config", "save", "--set", "LERNITO_RETENTION_DAYS=30")
    assert mark() != first
