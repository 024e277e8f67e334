"""CloudFormation's engine."""

from localstack.runtime import hooks


@hooks.on_infra_start()
def refuse_unknown_resources():
    """A resource that nobody here can make fails the stack; LocalStack takes it for made, or looks it up in a list that lacks ours."""
    from localstack.services.cloudformation.engine.v2 import change_set_model_executor

    change_set_model_executor.should_ignore_unsupported_resource_type = lambda **_: False
