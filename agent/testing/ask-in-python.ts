/** Python that defines `ask`, for trainers that talk to the agent themselves; it needs json, os, socket and sys. */
export const askInPython = `agent = socket.socket(socket.AF_UNIX); agent.connect(os.environ["PAWL_SOCKET"])
line = agent.makefile("rw", encoding="utf-8", newline="\\n")
def ask(**what):
    line.write(json.dumps(what) + "\\n"); line.flush()
    answer = json.loads(line.readline() or "{}")
    if answer.get("type", "error") == "error": sys.exit(9)
    return answer`;
