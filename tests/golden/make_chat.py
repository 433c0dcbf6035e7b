"""Chat templates as transformers runs them: tests/golden/chat/tokenizer.json and golden.json.

The tokenizer is the small one of tokenizer/families/qwen2.json with the special tokens of two templates beside.
"""

import json
import pathlib

from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]

TURNS = (
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TEMPLATES = {
    "chatml": "{% for message in messages %}" + TURNS,
    # The text of SmolLM2-Instruct's, laid out over lines as others write it.
    "chatml with a system message": """{%- for message in messages -%}
    {%- if loop.first and messages[0]["role"] != "system" -%}
        {{ "<|im_start|>system\\nYou are a helpful AI assistant.<|im_end|>\\n" }}
    {%- endif -%}
    """
    + TURNS.replace("message['role']", "message.role"),
    "llama3": (
        "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
        "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + "
        "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    ),
}
CONVERSATIONS = [
    [("user", "What is the sea?"), ("assistant", "Salt water.")],
    [("system", "Be brief."), ("user", "one  two\n\nthree"), ("assistant", "Yes, 12 of them."), ("user", "Why?"),
     ("assistant", "I can't say.\nAsk again")],
    [("user", "\n leading space é"), ("assistant", "ok")],
]


def main():
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer/families/qwen2.json"))
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    (HERE / "chat").mkdir(exist_ok=True)
    tokenizer.save(str(HERE / "chat/tokenizer.json"), pretty=False)
    fast = PreTrainedTokenizerFast(tokenizer_file=str(HERE / "chat/tokenizer.json"), bos_token="<|begin_of_text|>")
    cases = []
    for name, template in TEMPLATES.items():
        fast.chat_template = template
        for turns in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in turns]
            render = lambda some, prompt: list(fast.apply_chat_template(
                some, tokenize=True, add_generation_prompt=prompt, return_dict=False))
            cases.append({"name": name, "template": template, "messages": messages, "ids": render(messages, False),
                          "prompt_ids": render(messages[:-1], True)})
    (HERE / "chat/golden.json").write_text(json.dumps(cases, separators=(",", ":"), ensure_ascii=True) + "\n")


main()
