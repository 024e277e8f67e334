"""An execution environment of a function: one Node process that is kept warm. Requests and results are lines of JSON."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

BOOT = str(Path(__file__).with_name("boot.cjs"))

# What a function prints between two invocations is read with the next one; more than this is not kept.
LONGEST_LOG = 1_000_000

# Twice what Lambda gives: the machine may be busy with other things.
LONGEST_INIT_SECONDS = 20


class ProcessRuntimeExecutor(RuntimeExecutor):
    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.process = None
        self.environment = {}
        self.folder = Path(tempfile.mkdtemp(prefix="lambda-"))
        self.log = self.folder / "log"
        self.log.touch()

    def start(self, env_vars):
        code = str(self.function_version.config.code.get_unzipped_code_location())
        # Nothing of this process's own environment: a function has what it was deployed with.
        self.environment = {name: str(value) for name, value in env_vars.items()} | {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LAMBDA_TASK_ROOT": code,
            "TMPDIR": str(self.folder),
            "NODE_COMPILE_CACHE": os.environ.get("PAWL_COMPILE_CACHE", ""),
        }
        self.begin()

    def begin(self):
        """The init phase: a process that has loaded the handler."""
        requests_in, requests_out = os.pipe()
        results_in, results_out = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["PAWL_NODE"], BOOT, str(requests_in), str(results_out)],
                cwd=self.environment["LAMBDA_TASK_ROOT"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(requests_in, results_out),
            )
        os.close(requests_in)
        os.close(results_out)
        self.requests = os.fdopen(requests_out, "w")
        self.results = os.fdopen(results_in)
        # The handler may never be loaded.
        patience = threading.Timer(LONGEST_INIT_SECONDS, self.kill)
        patience.start()
        first = self.results.readline()
        patience.cancel()
        if not first:
            self.end()
            message = {"errorType": "Runtime.ExitError", "errorMessage": "Error: Runtime exited without providing a reason"}
            raise StatusErrorException("the function did not start", payload=json.dumps(message).encode())
        answer = json.loads(first)
        if answer.get("error"):
            self.end()
            raise StatusErrorException("the function did not start", payload=answer["body"].encode())

    def invoke(self, payload):
        request, timeout = payload["invoke-id"], self.function_version.config.timeout
        begun = self.log.stat().st_size
        if self.process is None or self.process.poll() is not None:
            try:
                self.begin()
            except StatusErrorException as failed:
                return self.result(request, begun, failed.payload, True)
        late = threading.Event()

        def expire():
            late.set()
            self.kill()

        timer = threading.Timer(timeout, expire)
        timer.start()
        try:
            self.requests.write(
                json.dumps(
                    {
                        "id": request,
                        "arn": payload["invoked-function-arn"],
                        "payload": payload["payload"],
                        "trace": payload.get("trace-id"),
                        "timeoutMs": timeout * 1000,
                    }
                )
                + "\n"
            )
            self.requests.flush()
            line = self.results.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        finally:
            timer.cancel()
        if line:
            answer = json.loads(line)
            return self.result(request, begun, answer["body"].encode(), answer["error"])
        status = self.end()
        if late.is_set():
            kind, words = "Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds"
        else:
            kind, words = "Runtime.ExitError", f"Runtime exited with error: exit status {status}"
        message = {"errorType": kind, "errorMessage": f"RequestId: {request} Error: {words}"}
        return self.result(request, begun, json.dumps(message).encode(), True)

    def result(self, request, begun, payload, is_error):
        with open(self.log, "rb") as log:
            log.seek(begun)
            said = log.read(LONGEST_LOG).decode(errors="replace")
        if self.log.stat().st_size > LONGEST_LOG:
            os.truncate(self.log, 0)
        version = self.function_version.id.qualifier
        logs = f"START RequestId: {request} Version: {version}\n{said}END RequestId: {request}\n"
        return InvocationResult(request, payload, is_error=is_error, logs=logs)

    def kill(self):
        self.process.kill()

    def end(self):
        """Ends the process and says how it ended."""
        self.kill()
        status = self.process.wait()
        for pipe in (self.requests, self.results):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        return status

    def stop(self):
        if self.process is not None:
            self.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"

    def get_logs(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @classmethod
    def prepare_version(cls, function_version):
        if function_version.config.code:
            function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass
