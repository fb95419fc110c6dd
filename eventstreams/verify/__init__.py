"""Whether an installation loses, invents, alters or holds back events: published, received, and judged one by one."""
