"""The Batch service: every operation goes on to the server whose address is in PAWL_BATCH."""

import os

from localstack.services.plugins import Service, aws_provider


@aws_provider(api="batch")
def batch():
    from localstack.aws.forwarder import AwsRequestProxy
    from localstack.aws.skeleton import Skeleton
    from localstack.aws.spec import load_service

    # The answer is parsed: one that is passed on as it came is taken for a failure.
    proxy = AwsRequestProxy(os.environ["PAWL_BATCH"], parse_response=True)
    model = load_service("batch")
    forward = {operation: lambda context, request: proxy(context) for operation in model.operation_names}
    return Service(name="batch", skeleton=Skeleton(model, forward))
