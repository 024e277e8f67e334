import { describe, expect, it } from "vitest";
import { diagnoseLog } from "./log.ts";

const of = (text: string) => diagnoseLog(text.split("\n"));

const torchrun = `
W1119 08:26:02.715000 28705 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 4086 closing signal SIGTERM
E1119 08:26:02.715000 28705 torch/distributed/elastic/multiprocessing/api.py:882] failed (exitcode: 1) local_rank: 0 (pid: 28773) of binary: /usr/bin/python3
Traceback (most recent call last):
  File "/usr/local/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "/usr/local/lib/python3.10/dist-packages/torch/distributed/run.py", line 879, in main
    run(args)
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Root Cause (first observed failure):
  exitcode  : 1 (pid: 28773)
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html`;

const traceback = `[rank0]: Traceback (most recent call last):
[rank0]:   File "/tmp/a1/work/train.py", line 41, in <module>
[rank0]:     main()
[rank0]:   File "/tmp/a1/work/train.py", line 12, in main
[rank0]:     loss = criterion(output, target)
[rank0]:   File "/usr/lib/python3.12/site-packages/torch/nn/modules/loss.py", line 1293, in forward
[rank0]:     raise ValueError("CUDA out of memory")`;

describe("the end of a log", () => {
  it("that says nothing of a failure tells nothing", () => {
    expect(of("")).toBeUndefined();
    expect(of("epoch 1: loss 0.3, accuracy 0.9\nsaved checkpoint 1\ndone")).toBeUndefined();
    expect(of("node:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] via P2P/IPC")).toBeUndefined();
    expect(of("0 errors, 3 warnings; retries: 0; out of memory: no; killed: 0")).toBeUndefined();
  });

  it("names the cause behind what others see of it", () => {
    const closed =
      "node:1:2 [0] misc/socket.cc:49 NCCL WARN socketProgress: Connection closed by remote peer x<5>";
    const oom = "node:3:4 [3] include/alloc.h:178 NCCL WARN Cuda failure 'out of memory'";
    expect(of(`${oom}\n${closed}`)?.class).toBe("gpu-oom");
    expect(of(`${closed}\n${oom}\n${closed}`)?.class).toBe("gpu-oom");
    const ecc =
      "NCCL watchdog thread terminated with exception: CUDA error: uncorrectable ECC error encountered";
    expect(of(`[E ProcessGroupNCCL.cpp:916] [Rank 1] ${ecc}\nRuntimeError: CUDA out of memory`)?.class).toBe(
      "hardware-gpu",
    );
    const abort = "terminate called after throwing an instance of 'c10::Error'\nAborted (core dumped)";
    expect(of(`RuntimeError: CUDA error: uncorrectable ECC error encountered\n${abort}`)?.class).toBe(
      "hardware-gpu",
    );
  });

  it("takes an abort for the end of what was told before, and a crash for what its peers only saw", () => {
    const watchdog =
      "RuntimeError: NCCL communicator was aborted on rank 2. Watchdog caught collective operation timeout";
    const abort =
      "terminate called after throwing an instance of 'std::runtime_error'\nAborted (core dumped)";
    expect(of(`${watchdog}\n${abort}`)?.class).toBe("nccl/network-timeout");
    expect(of(abort)?.class).toBe("segfault/native-crash");
    const closed = "node:1:2 [0] NCCL WARN socketProgress: Connection closed by remote peer x<5>";
    expect(of(`Segmentation fault (core dumped)\n${closed}`)?.class).toBe("segfault/native-crash");
  });

  it("is the error that was raised, and its place, not the launcher's report of it", () => {
    const diagnosis = of(`${traceback}\n[rank0]: ValueError: no such class 17${torchrun}`);
    expect(diagnosis).toMatchObject({
      class: "user-exception",
      confidence: "medium",
      message: "ValueError: no such class 17",
      place: "ValueError at train.py:12",
    });
  });

  it("keeps the place of an error whose class is known", () => {
    const raised = "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB";
    expect(of(`${traceback}\n${raised}${torchrun}`)).toMatchObject({
      class: "gpu-oom",
      place: "OutOfMemoryError at train.py:12",
    });
  });

  it("is not taken from the lines of a program that a traceback quotes", () => {
    expect(of(`${traceback}\n[rank0]: KeyError: 'x'`)?.class).toBe("user-exception");
  });

  it("is the last of several errors, which came of the others", () => {
    const first = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1';
    const then = 'Traceback (most recent call last):\n  File "b.py", line 2, in g\nRuntimeError: no';
    const during = "During handling of the above exception, another exception occurred:";
    expect(of(`${first}\n\n${during}\n\n${then}`)?.place).toBe("RuntimeError at b.py:2");
  });

  it("tells the place in JavaScript too", () => {
    const stack = `file:///srv/a/work/train.mjs:7
    x.y();
TypeError: Cannot read properties of undefined (reading 'y')
    at inner (/srv/a/node_modules/lib/index.js:1:1)
    at train (file:///srv/a/work/train.mjs:7:5)
    at async file:///srv/a/work/train.mjs:9:1

Node.js v24.0.0`;
    expect(of(stack)).toMatchObject({ class: "user-exception", place: "TypeError at train.mjs:7" });
  });

  it("is no warning, and nothing that was tried again, where an error follows", () => {
    const error = 'Traceback (most recent call last):\n  File "train.py", line 3, in f\nKeyError: 1';
    const warning = "WARNING: xformers is not used: No module named 'xformers'";
    const again = "botocore: SlowDown, retrying in 3 s";
    expect(of(`${warning}\n${again}\n${error}`)?.class).toBe("user-exception");
    expect(of(again)).toMatchObject({ class: "data-loader/s3", confidence: "low" });
  });

  it("is not what went wrong long before the last error", () => {
    const steps = Array.from({ length: 150 }, (_, step) => `step ${step}: loss 0.5`).join("\n");
    const error = 'Traceback (most recent call last):\n  File "train.py", line 3, in f\nKeyError: 1';
    expect(of(`RuntimeError: CUDA out of memory.\n${steps}\n${error}`)?.class).toBe("user-exception");
  });

  it("is not what the process went on after", () => {
    const fallback = "CUDA out of memory, falling back to CPU offload";
    expect(of(fallback)?.class).toBe("gpu-oom");
    expect(of(`${fallback}\nstep 12: loss 0.3`)).toBeUndefined();
    const reset = "[Errno 104] Connection reset by peer";
    const steps = Array.from({ length: 5 }, (_, step) => `step ${step}: loss 0.5`).join("\n");
    expect(of(`${reset}\nstep 1: loss 0.5`)?.class).toBe("nccl/network-timeout");
    expect(of(`${reset}\n${steps}`)).toBeUndefined();
    expect(of(`${reset}\nTraining complete.`)).toBeUndefined();
    expect(of("RuntimeError: CUDA out of memory.\nTraining complete.")).toBeUndefined();
    expect(of("Training complete.\nRuntimeError: CUDA out of memory.")?.class).toBe("gpu-oom");
  });

  it("is a loss that is no number, unless it is one again", () => {
    expect(of("step 1: loss 0.5\nstep 2: loss nan\nstep 3: loss nan")?.class).toBe("numeric");
    expect(of("step 1: loss 0.5\nstep 2: loss nan\nstep 3: loss 0.4")).toBeUndefined();
  });

  it("is not what Python ignored while it tidied up", () => {
    const ignored = `Exception ignored in: <function Pool.__del__ at 0x7f>
Traceback (most recent call last):
  File "/usr/lib/python3.12/multiprocessing/pool.py", line 271, in __del__
    self._change_notifier.put(None)
OSError: [Errno 9] Bad file descriptor`;
    expect(of(ignored)).toBeUndefined();
    expect(of(`KeyError: 'x'\n${ignored}`)?.message).toBe("KeyError: 'x'");
  });

  it("is an exit status, also on the line after its name", () => {
    expect(of("Command exit status:\n  139")?.class).toBe("segfault/native-crash");
    expect(of("Command exit status:\n  0")).toBeUndefined();
  });

  it("is a guess at most, where trouble is told of something in words that nobody knows", () => {
    const trouble = "our sampler was unable to make sense of what the bucket held";
    expect(of(trouble)).toMatchObject({ class: "data-loader/s3", confidence: "low" });
    expect(of(`${trouble}\nstep 7: loss 0.2`)).toBeUndefined();
    expect(of("test_checkpoint_corrupt PASSED")).toBeUndefined();
    expect(of("node:1:2 [0] NCCL INFO NET/OFI failed to load, using NET/Socket")).toBeUndefined();
  });

  it("is read whatever colours and progress bars are in it", () => {
    const start = "\u001b";
    const line = `${start}[31mRuntimeError${start}[0m: ${start}]0;title\u0007CUDA out of ${start}[1mmemory`;
    const diagnosis = of(line);
    expect(diagnosis?.class).toBe("gpu-oom");
    expect(JSON.stringify(diagnosis)).not.toMatch(/\\u00/);
  });
});
