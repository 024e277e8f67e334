"""Where LocalStack's Step Functions does other than AWS documents for tasks that wait for a Batch job."""

import logging

from localstack.runtime import hooks

LOG = logging.getLogger(__name__)

# How often a job is looked at; LocalStack does it every half second.
POLL_SECONDS = 0.1


@hooks.on_infra_start()
def patch():
    from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (
        state_task_service_callback,
    )

    state_task_service_callback._DELAY_SECONDS_SYNC_CONDITION_CHECK = POLL_SECONDS
    give_each_retry_a_token()
    terminate_abandoned_jobs()


def give_each_retry_a_token():
    """A task that is retried would else wait on the token of the attempt before, which has ended, and time out at once."""
    from localstack.services.stepfunctions.asl.component.common.retry.retry_outcome import RetryOutcome
    from localstack.services.stepfunctions.asl.component.state.state_execution.execute_state import ExecutionState

    handle_retry = ExecutionState._handle_retry

    def with_token(self, env, failure_event):
        outcome = handle_retry(self, env, failure_event)
        if outcome == RetryOutcome.CanRetry and "Task" in env.states.context_object.context_object_data:
            env.callback_pool_manager.add(env.states.context_object.update_task_token())
        return outcome

    ExecutionState._handle_retry = with_token


def terminate_abandoned_jobs():
    """AWS makes a best effort to end the job of a task that is stopped or has timed out."""
    from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service.state_task_service_batch import (
        StateTaskServiceBatch,
    )
    from localstack.services.stepfunctions.asl.eval.callback.callback import CallbackOutcomeTimedOut
    from localstack.services.stepfunctions.asl.utils.boto_client import boto_client_for

    build = StateTaskServiceBatch._build_sync_resolver
    evaluate = StateTaskServiceBatch._eval_sync

    def build_with_end(self, env, resource_runtime_part, normalised_parameters, state_credentials):
        job = env.stack[-1]["JobId"]
        resolver = build(
            self,
            env=env,
            resource_runtime_part=resource_runtime_part,
            normalised_parameters=normalised_parameters,
            state_credentials=state_credentials,
        )

        def terminate():
            client = boto_client_for(
                service="batch", region=resource_runtime_part.region, state_credentials=state_credentials
            )
            client.terminate_job(jobId=job, reason="Terminated by Step Functions: its task has ended")

        def resolve():
            return resolver()

        resolve.terminate = terminate
        return resolve

    def evaluate_to_end(self, env, sync_resolver, **more):
        outcome = evaluate(self, env=env, sync_resolver=sync_resolver, **more)
        terminate = getattr(sync_resolver, "terminate", None)
        if terminate is not None and (outcome is None or isinstance(outcome, CallbackOutcomeTimedOut)):
            try:
                terminate()
            except Exception as error:
                LOG.warning("a job was not terminated: %s", error)
        return outcome

    StateTaskServiceBatch._build_sync_resolver = build_with_end
    StateTaskServiceBatch._eval_sync = evaluate_to_end
