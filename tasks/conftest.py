"""What the scripted models answer in `test_repair.py`; real models never see it."""


def llmroute_scripted(call):
    """Answers by what stands in the prompt."""
    prompt = call.messages[-1].content
    if "return 0" in prompt:
        return "return 0;"
    if "expected ')'" in prompt:
        return "syntax"
    if "undefined reference" in prompt:
        return "linker" if call.role != "tiny" else "syntax"
    return None
