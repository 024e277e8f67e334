"""Lambda functions as processes of this machine."""

from localstack.runtime import hooks
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin


class ProcessExecutorPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *args, **kwargs):
        # Loaded late: it needs services that are not there while plug-ins are looked for.
        from pawl_localstack.executor import ProcessRuntimeExecutor

        return ProcessRuntimeExecutor


@hooks.on_infra_start()
def log_where_told():
    """A function's lines go to the log group that its configuration names; LocalStack makes one of its own."""
    from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment

    own = ExecutionEnvironment.get_log_group_name

    def get_log_group_name(self):
        told = self.function_version.config.logging_config or {}
        return told.get("LogGroup") or own(self)

    ExecutionEnvironment.get_log_group_name = get_log_group_name
