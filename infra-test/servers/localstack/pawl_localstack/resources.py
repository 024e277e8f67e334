"""CloudFormation's resources that LocalStack does not know."""

import random
import string

from localstack.services.cloudformation.resource_provider import (
    CloudFormationResourceProviderPlugin,
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
)


def as_asked(value, shape):
    """A property as the service's API takes it: its names, its numbers, and nothing that only CloudFormation knows."""
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        found = {members[key.lower()]: inner for key, inner in value.items() if key.lower() in members}
        return {name: as_asked(inner, member) for (name, member), inner in found.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [as_asked(item, shape.member) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: as_asked(inner, shape.value) for key, inner in value.items()}
    if shape.type_name in ("integer", "long"):
        return int(value)
    if shape.type_name == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if shape.type_name == "string":
        return str(value)
    return value


def ask(client, operation, properties):
    name = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(name).input_shape
    return getattr(client, operation)(**as_asked(properties, shape))


def generated_name(request):
    ending = "".join(random.choices(string.ascii_letters + string.digits, k=12))
    return f"{request.stack_name}-{request.logical_resource_id}-{ending}"[-128:].lstrip("-")


class Provider(ResourceProvider):
    """What is done to each kind; the model's property `IDENTIFIER` is what a template's Ref gives."""

    SERVICE = ""
    IDENTIFIER = ""
    NAME = ""

    def client(self, request):
        return getattr(request.aws_client_factory, self.SERVICE)

    def done(self, model, request):
        return ProgressEvent(
            status=OperationStatus.SUCCESS, resource_model=model, custom_context=request.custom_context
        )

    def create(self, request):
        model = request.desired_state
        if self.NAME and not model.get(self.NAME):
            model[self.NAME] = generated_name(request)
        self.make(self.client(request), model)
        return self.done(model, request)

    def update(self, request):
        old, model = request.previous_state, request.desired_state
        if self.NAME and not model.get(self.NAME):
            model[self.NAME] = old[self.NAME]
        for key in (self.IDENTIFIER, *self.read_only()):
            if key in old:
                model.setdefault(key, old[key])
        self.change(self.client(request), model, old)
        return self.done(model, request)

    def delete(self, request):
        self.remove(self.client(request), request.desired_state)
        return self.done(request.desired_state, request)

    def read_only(self):
        return [path.split("/")[-1] for path in self.SCHEMA["readOnlyProperties"]]


def schema(kind, identifier, read_only=()):
    names = [identifier, *read_only]
    return {
        "typeName": kind,
        "primaryIdentifier": [f"/properties/{identifier}"],
        "properties": {name: {} for name in names},
        "readOnlyProperties": [f"/properties/{name}" for name in names],
    }


class ComputeEnvironment(Provider):
    TYPE = "AWS::Batch::ComputeEnvironment"
    SERVICE, IDENTIFIER, NAME = "batch", "ComputeEnvironmentArn", "ComputeEnvironmentName"
    SCHEMA = schema(TYPE, IDENTIFIER)

    def make(self, client, model):
        model[self.IDENTIFIER] = ask(client, "create_compute_environment", model)["computeEnvironmentArn"]

    def change(self, client, model, old):
        ask(client, "update_compute_environment", {**model, "computeEnvironment": model[self.IDENTIFIER]})

    def remove(self, client, model):
        name = model[self.IDENTIFIER]
        client.update_compute_environment(computeEnvironment=name, state="DISABLED")
        client.delete_compute_environment(computeEnvironment=name)


class JobQueue(Provider):
    TYPE = "AWS::Batch::JobQueue"
    SERVICE, IDENTIFIER, NAME = "batch", "JobQueueArn", "JobQueueName"
    SCHEMA = schema(TYPE, IDENTIFIER)

    def make(self, client, model):
        model[self.IDENTIFIER] = ask(client, "create_job_queue", model)["jobQueueArn"]

    def change(self, client, model, old):
        ask(client, "update_job_queue", {**model, "jobQueue": model[self.IDENTIFIER]})

    def remove(self, client, model):
        name = model[self.IDENTIFIER]
        client.update_job_queue(jobQueue=name, state="DISABLED")
        client.delete_job_queue(jobQueue=name)


class JobDefinition(Provider):
    TYPE = "AWS::Batch::JobDefinition"
    SERVICE, IDENTIFIER, NAME = "batch", "JobDefinitionArn", "JobDefinitionName"
    SCHEMA = schema(TYPE, IDENTIFIER)

    def make(self, client, model):
        model[self.IDENTIFIER] = ask(client, "register_job_definition", model)["jobDefinitionArn"]

    def change(self, client, model, old):
        self.make(client, model)
        kept = model.get("ResourceRetentionPolicy") or {}
        if str(kept.get("SkipDeregisterOnUpdate")).lower() != "true":
            client.deregister_job_definition(jobDefinition=old[self.IDENTIFIER])

    def remove(self, client, model):
        client.deregister_job_definition(jobDefinition=model[self.IDENTIFIER])


class LaunchTemplate(Provider):
    TYPE = "AWS::EC2::LaunchTemplate"
    SERVICE, IDENTIFIER, NAME = "ec2", "LaunchTemplateId", "LaunchTemplateName"
    SCHEMA = schema(TYPE, IDENTIFIER, ("LatestVersionNumber", "DefaultVersionNumber"))

    def make(self, client, model):
        made = ask(client, "create_launch_template", model)["LaunchTemplate"]
        self.note(model, made["LaunchTemplateId"], made["DefaultVersionNumber"], made["LatestVersionNumber"])

    def change(self, client, model, old):
        asked = {key: model[key] for key in (self.IDENTIFIER, "LaunchTemplateData")}
        made = ask(client, "create_launch_template_version", asked)["LaunchTemplateVersion"]
        self.note(model, old[self.IDENTIFIER], old["DefaultVersionNumber"], made["VersionNumber"])

    def note(self, model, identifier, default, latest):
        model[self.IDENTIFIER] = identifier
        model["DefaultVersionNumber"] = str(default)
        model["LatestVersionNumber"] = str(latest)

    def remove(self, client, model):
        client.delete_launch_template(LaunchTemplateId=model[self.IDENTIFIER])


class Dashboard(Provider):
    TYPE = "AWS::CloudWatch::Dashboard"
    SERVICE, IDENTIFIER, NAME = "cloudwatch", "DashboardName", "DashboardName"
    SCHEMA = schema(TYPE, IDENTIFIER)

    def make(self, client, model):
        ask(client, "put_dashboard", model)

    def change(self, client, model, old):
        self.make(client, model)

    def remove(self, client, model):
        client.delete_dashboards(DashboardNames=[model[self.IDENTIFIER]])


def plugin(provider):
    class Plugin(CloudFormationResourceProviderPlugin):
        name = provider.TYPE

        def __init__(self):
            self.factory = None

        def load(self):
            self.factory = provider

    return Plugin


ComputeEnvironmentPlugin = plugin(ComputeEnvironment)
JobQueuePlugin = plugin(JobQueue)
JobDefinitionPlugin = plugin(JobDefinition)
LaunchTemplatePlugin = plugin(LaunchTemplate)
DashboardPlugin = plugin(Dashboard)
