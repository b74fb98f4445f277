"""Translates PTX, the assembly of CUDA kernels, to C: each entry becomes a function of which a call runs one thread.

Only what LLVM writes for our kernels is known; anything else is an error that names the instruction.
Semantics: NVIDIA, Parallel Thread Execution ISA, chapter 9.

Usage: ptx.py KERNEL.ptx > KERNEL.c
"""

import re
import sys

BITS = {"b8": 8, "b16": 16, "b32": 32, "b64": 64, "f32": 32, "f64": 64, "tf32": 32, "pred": 1}
BITS |= {f"{sign}{n}": n for sign in "us" for n in (8, 16, 32, 64)}
FLOATS = {"f32": "float", "f64": "double"}
SPECIAL = {f"%{name}.{axis}": f"{place}[{i}]" for name, place in [
    ("tid", "thread->index"), ("ntid", "block->threads"), ("ctaid", "block->index"), ("nctaid", "block->blocks"),
] for i, axis in enumerate("xyz")}
SPECIAL["%laneid"] = "thread->lane"
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
UNORDERED = {"equ": "!=", "neu": "==", "ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<"}
WARP = {"shfl.idx": 3, "shfl.up": 3, "shfl.down": 3, "shfl.bfly": 3, "vote.all": 1, "vote.any": 1, "vote.ballot": 1}


class Unknown(Exception):
    """What cannot be translated."""


def unsigned(n):
    return f"uint{n}_t"


def integer(kind):
    return f"int{BITS[kind]}_t" if kind[0] == "s" else unsigned(BITS[kind])


def c_name(name):
    return re.sub(r"[^\w]", "_", name)


def split(text):
    """Operands between commas that are outside of brackets."""
    out, depth = [""], 0
    for letter in text:
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and depth == 0:
            out.append("")
        else:
            out[-1] += letter
    return [part.strip() for part in out if part.strip()]


class Function:
    """The body of an entry or of a function that it calls."""

    def __init__(self, module, parameters):
        self.module = module
        self.parameters = parameters
        self.registers = {}
        self.lines = []
        self.sites = 0
        self.waits = False

    # Operands

    def register(self, name):
        if name in SPECIAL:
            return SPECIAL[name], 32
        prefix = re.match(r"%[a-zA-Z_]+", name)
        if not prefix or prefix.group() not in self.registers:
            raise Unknown(f"register {name}")
        return "r_" + c_name(name[1:]), self.registers[prefix.group()]

    def raw(self, operand, n):
        """Its bits."""
        if operand.startswith("%"):
            name, width = self.register(operand)
            return name if width == n else f"(({unsigned(n)}){name})"
        if re.fullmatch(r"0[fFdD][0-9a-fA-F]+", operand):
            return f"0x{operand[2:]}ull"
        if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)U?", operand):
            return f"(({unsigned(n)}){int(operand.rstrip('U'), 0) % (1 << n)}ull)"
        symbol = re.fullmatch(r"([A-Za-z_$][\w$]*)(?:\+(\d+))?", operand)
        if symbol:
            return f"(({unsigned(n)})(uintptr_t)({self.symbol(symbol.group(1))} + {symbol.group(2) or 0}))"
        raise Unknown(f"operand {operand}")

    def symbol(self, name):
        if name in self.parameters:
            return f"((char *)parameters[{self.parameters.index(name)}])"
        return self.module.symbols.get(name) or f"((char *)l_{c_name(name)})"

    def read(self, operand, kind):
        if kind == "pred":
            return "1" if operand == "-1" else operand if operand.isdigit() else self.register(operand)[0]
        bits = self.raw(operand, BITS[kind])
        return f"as_{kind}({bits})" if kind in FLOATS else f"(({integer(kind)}){bits})"

    def write(self, target, kind, value):
        name, width = self.register(target)
        if kind == "pred":
            return f"{name} = ({value}) != 0;"
        if kind in FLOATS:
            return f"{name} = of_{kind}({value});"
        # Wider registers take signed values with their sign.
        wide = f"(int{width}_t)" if kind[0] == "s" else ""
        return f"{name} = ({unsigned(width)}){wide}({integer(kind)})({value});"

    def address(self, operand):
        match = re.fullmatch(r"\[\s*([^+\]]+?)\s*(?:\+\s*(-?\d+))?\s*\]", operand)
        if not match:
            raise Unknown(f"address {operand}")
        base, offset = match.groups()
        base = f"(char *)(uintptr_t){self.raw(base, 64)}" if base.startswith("%") else self.symbol(base)
        return f"({base} + {offset or 0})"

    # Statements

    def statement(self, text):
        label = re.fullmatch(r"(\$?\w+):", text)
        if text in ("{", "}"):
            self.lines.append(text)
        elif label:
            self.lines.append(f"{c_name(label.group(1))}:;")
        elif text.startswith(".reg"):
            self.declare(text)
        elif text.startswith((".local", ".param")):
            kind, name, count = re.fullmatch(r"\.\w+\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+([\w$]+)(?:\[(\d+)\])?", text).groups()
            self.lines.append(f"char l_{c_name(name)}[{int(count or 1) * BITS[kind] // 8}] __attribute__((aligned(16)));")
        elif not text.startswith((".pragma", ".loc")):
            guard, negated, predicate, opcode, operands = re.fullmatch(r"(@(!?)(%\w+)\s+)?(\S+)\s*(.*)", text, re.S).groups()
            try:
                code = self.instruction(opcode.split("."), split(operands))
            except (Unknown, KeyError, IndexError, ValueError) as why:
                raise Unknown(f"{text} ({why})") from why
            self.lines.append(f"if ({negated}{self.register(predicate)[0]}) {{ {code} }}" if guard else f"{{ {code} }}")

    def declare(self, text):
        kind, prefix, count = re.fullmatch(r"\.reg\s+\.(\w+)\s+(%\w+)<(\d+)>", text).groups()
        self.registers[prefix] = BITS[kind]
        names = [f"r_{prefix[1:]}{i} = 0" for i in range(1, int(count))]
        if names:
            self.lines.append(f"{'int' if kind == 'pred' else unsigned(BITS[kind])} {', '.join(names)};")

    def instruction(self, words, operands):
        op, kind = words[0], words[-1]
        handler = getattr(self, f"op_{op}", None)
        if handler:
            return handler(words, operands)
        target, *sources = operands
        if op in ("and", "or", "xor"):
            sign = {"and": "&", "or": "|", "xor": "^"}[op]
            return self.write(target, kind, sign.join(self.read(source, kind) for source in sources))
        values = [self.read(source, kind) for source in sources]
        if kind in FLOATS:
            value = floating(op, words, values)
            return self.write(target, kind, f"saturated({value})" if "sat" in words else value)
        return self.write(target, kind, integral(op, words, kind, values))

    def op_mov(self, words, operands):
        target, source = operands
        kind = words[-1]
        if target.startswith("{"):
            parts = split(target[1:-1])
            n = BITS[kind] // len(parts)
            return f"{unsigned(BITS[kind])} x = {self.raw(source, BITS[kind])};" + "".join(
                self.write(part, f"b{n}", f"x >> {i * n}") for i, part in enumerate(parts) if part != "_")
        if source.startswith("{"):
            parts = split(source[1:-1])
            n = BITS[kind] // len(parts)
            whole = unsigned(BITS[kind])
            return self.write(target, kind, " | ".join(f"({whole}){self.raw(part, n)} << {i * n}" for i, part in enumerate(parts)))
        return self.write(target, kind, self.read(source, kind)) if kind == "pred" else self.copy(target, kind, self.raw(source, BITS[kind]))

    def copy(self, target, kind, bits):
        return self.write(target, f"b{BITS[kind]}", bits)

    def op_cvta(self, words, operands):
        return self.write(operands[0], "u64", self.raw(operands[1], 64))

    def op_ld(self, words, operands):
        kind = words[-1] if words[-1] not in FLOATS else f"b{BITS[words[-1]]}"
        targets = split(operands[0].strip("{}"))
        element = ("volatile " if "volatile" in words or "acquire" in words or "relaxed" in words else "") + integer(kind)
        return f"{element} *p = ({element} *){self.address(operands[1])};" + "".join(
            self.write(target, kind, f"p[{i}]") for i, target in enumerate(targets) if target != "_")

    def op_st(self, words, operands):
        n = BITS[words[-1]]
        element = ("volatile " if "volatile" in words or "release" in words or "relaxed" in words else "") + unsigned(n)
        return f"{element} *p = ({element} *){self.address(operands[0])};" + "".join(
            f"p[{i}] = {self.raw(source, n)};" for i, source in enumerate(split(operands[1].strip("{}"))))

    def op_atom(self, words, operands):
        kind, n = words[-1], BITS[words[-1]]
        target, place, *values = operands
        head = f"{unsigned(n)} *p = ({unsigned(n)} *){self.address(place)};"
        if "cas" in words:
            swap = f"{unsigned(n)} old = {self.raw(values[0], n)}; __atomic_compare_exchange_n(p, &old, {self.raw(values[1], n)}, 0, 5, 5);"
            return head + swap + self.copy(target, kind, "old")
        value = self.read(values[0], kind)
        old = f"as_{kind}(old)" if kind in FLOATS else f"({integer(kind)})old"
        operation = next(word for word in words if word in ("add", "min", "max", "exch", "and", "or", "xor"))
        signs = {"add": "+", "and": "&", "or": "|", "xor": "^"}
        if operation in signs:
            new = f"{old} {signs[operation]} {value}"
        elif operation == "exch":
            new = value
        else:
            new = f"{operation}imum({old}, {value})"
        new = f"of_{kind}({new})" if kind in FLOATS else new
        loop = f"{unsigned(n)} old = *p; while (!__atomic_compare_exchange_n(p, &old, {new}, 0, 5, 5));"
        return head + loop + ("" if target == "_" else self.copy(target, kind, "old"))

    def op_red(self, words, operands):
        return self.op_atom(words, ["_", *operands])

    def op_setp(self, words, operands):
        relation, kind = words[1], words[-1]
        a, b = self.read(operands[1], kind), self.read(operands[2], kind)
        if relation in ("num", "nan"):
            value = f"{a} == {a} && {b} == {b}" if relation == "num" else f"{a} != {a} || {b} != {b}"
        elif relation == "ne" and kind in FLOATS:
            value = f"{a} < {b} || {a} > {b}"
        elif relation in UNORDERED:
            value = f"!({a} < {b} || {a} > {b})" if relation == "equ" else f"!({a} {UNORDERED[relation]} {b})"
        else:
            value = f"{a} {COMPARISONS[relation]} {b}"
        targets = operands[0].split("|")
        joined = next((word for word in words[2:-1] if word in ("and", "or", "xor")), None)
        other = self.read(operands[3].lstrip("!"), "pred") if joined else ""
        other = "!" + other if joined and operands[3].startswith("!") else other
        sign = {"and": "&", "or": "|", "xor": "^", None: ""}[joined]
        code = f"int is = {value}; int other = {other or 0};"
        for target, own in zip(targets, ["is", "!is"]):
            code += self.write(target, "pred", f"{own} {sign} other" if joined else own)
        return code

    def op_selp(self, words, operands):
        n = BITS[words[-1]]
        return self.copy(operands[0], words[-1], f"{self.read(operands[3], 'pred')} ? {self.raw(operands[1], n)} : {self.raw(operands[2], n)}")

    def op_shl(self, words, operands):
        return self.shift(words[-1], operands, f"shifted_left_{BITS[words[-1]]}")

    def op_shr(self, words, operands):
        return self.shift(words[-1], operands, f"shifted_right_{'s' if words[-1][0] == 's' else 'u'}{BITS[words[-1]]}")

    def shift(self, kind, operands, function):
        return self.copy(operands[0], kind, f"{function}({self.raw(operands[1], BITS[kind])}, {self.raw(operands[2], 32)})")

    def op_bfe(self, words, operands):
        if words[-1] != "u32":
            raise Unknown("signed or wide bit fields")
        return self.write(operands[0], "u32", f"bit_field({', '.join(self.raw(o, 32) for o in operands[1:])})")

    def op_prmt(self, words, operands):
        return self.write(operands[0], "b32", f"permuted_bytes({', '.join(self.raw(o, 32) for o in operands[1:])})")

    def op_cvt(self, words, operands):
        target, source = operands
        to, of = words[-2:]
        rounding = next((word for word in words if word in ("rni", "rzi", "rmi", "rpi", "rn", "rna")), None)
        value = self.read(source, of)
        if to == "tf32":
            return self.write(target, "b32", f"rounded_to_tf32({self.raw(source, 32)})")
        if of in FLOATS:
            whole = {"rni": "nearbyint", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}.get(rounding)
            value = f"{whole}({value})" if whole else value
            if to not in FLOATS:
                return self.write(target, to, f"to_{to}({value})")
            return self.write(target, to, f"saturated(({FLOATS[to]})({value}))" if "sat" in words else value)
        if "sat" in words:
            raise Unknown("saturation of integers")
        return self.write(target, to, f"({FLOATS[to]}){value}" if to in FLOATS else value)

    def op_bra(self, words, operands):
        return f"goto {c_name(operands[0])};"

    def op_ret(self, words, operands):
        return "return;"

    op_exit = op_ret

    def op_trap(self, words, operands):
        return "__builtin_trap();"

    def op_fence(self, words, operands):
        return "__sync_synchronize();"

    op_membar = op_fence

    def op_call(self, words, operands):
        lists = [split(operand[1:-1]) if operand.startswith("(") else operand for operand in operands]
        results = lists.pop(0) if isinstance(lists[0], list) else []
        name, *arguments = lists
        if name not in self.module.functions:
            raise Unknown(f"no function {name}")
        places = [self.symbol(place) for place in results + (arguments[0] if arguments else [])]
        self.waits = self.waits or self.module.functions[name]
        return f"void *places[] = {{{', '.join([*places, '0'])}}}; f_{c_name(name)}(thread, places);"

    # Where threads wait for one another

    def together(self, operation, arguments):
        """All threads of the warp that get here, at once."""
        self.sites += 1
        self.waits = True
        return f"{arguments} with_warp(thread, {self.sites}, {operation}, a);"

    def op_bar(self, words, operands):
        self.waits = True
        if "warp" in words:
            return self.together("SYNC", "void *a = 0;")
        if operands != ["0"]:
            raise Unknown("a barrier of its own")
        return "wait_for_block(thread);"

    def op_barrier(self, words, operands):
        return self.op_bar(words, operands)

    def op_activemask(self, words, operands):
        return self.together("ACTIVE", "uint32_t a[1];") + self.write(operands[0], "b32", "a[0]")

    def op_shfl(self, words, operands):
        target, valid = [*operands[0].split("|"), None][:2]
        values = ", ".join(self.raw(operand, 32) for operand in operands[1:4])
        code = self.together(f"SHUFFLE_{words[2].upper()}", f"uint32_t a[5] = {{{values}}};") + self.write(target, "b32", "a[3]")
        return code + (self.write(valid, "pred", "a[4]") if valid else "")

    def op_vote(self, words, operands):
        kind = "b32" if words[2] == "ballot" else "pred"
        code = self.together(f"VOTE_{words[2].upper()}", f"uint32_t a[2] = {{{self.read(operands[1], 'pred')}}};")
        return code + self.write(operands[0], kind, "a[1]")

    def op_wmma(self, words, operands):
        """Products of tiles on tensor cores: 16 x 8 times 8 x 16, factors in TF32."""
        if "m16n16k8" not in words:
            raise Unknown("tiles of another shape")
        if words[1] == "mma":
            d, a, b, c = [split(operand[1:-1]) for operand in operands]
            registers = ", ".join(self.raw(register, 32) for register in a + b + c)
            code = self.together("TILE_PRODUCT", f"uint32_t a[24] = {{{registers}}};")
            return code + "".join(self.write(register, "b32", f"a[{16 + i}]") for i, register in enumerate(d))
        tile = words[2].upper()
        is_load = words[1] == "load"
        place, registers = (operands[1], operands[0]) if is_load else operands[:2]
        registers = split(registers[1:-1])
        head = (f"Tile a = {{(uint32_t *){self.address(place)}, {self.raw(operands[2], 32)}, TILE_{tile}, "
                f"{int('col' in words)}, {{{'' if is_load else ', '.join(self.raw(r, 32) for r in registers)}}}}};")
        code = self.together("TILE_LOAD" if is_load else "TILE_STORE", head).replace(", a);", ", &a);")
        return code + "".join(self.write(r, "b32", f"a.values[{i}]") for i, r in enumerate(registers) if is_load)


def floating(op, words, values):
    a, b = [*values, None][:2]
    single = {"sqrt": f"square_root({a})", "rsqrt": f"1 / square_root({a})", "rcp": f"1 / {a}", "ex2": f"exp2f({a})", "lg2": f"log2f({a})",
              "sin": f"sinf({a})", "cos": f"cosf({a})", "tanh": f"tanhf({a})", "abs": f"magnitude({a})", "neg": f"-{a}"}
    if op in single:
        return single[op]
    if op in ("min", "max"):
        return f"{op}imum_{'or_nan' if 'NaN' in words else 'number'}({a}, {b})"
    if op in ("fma", "mad"):
        # Rounding down is asked for where any rounding will do (the split of an exponent).
        return f"fused({', '.join(values)})"
    return f"{a} {dict(add='+', sub='-', mul='*', div='/')[op]} {b}"


def integral(op, words, kind, values):
    a, b = [*values, None][:2]
    n = BITS[kind]
    if op == "not":
        return f"!{a}" if kind == "pred" else f"~{a}"
    if op == "neg":
        return f"-(uint64_t){a}"
    if op == "abs":
        return f"{a} < 0 ? -{a} : {a}"
    if op in ("min", "max"):
        return f"{op}imum({a}, {b})"
    if op in ("div", "rem"):
        return f"{dict(div='quotient', rem='remainder_')[op]}_{kind[0]}{n}({a}, {b})"
    if op in ("popc", "clz"):
        return f"{op}_{n}({a})"
    if op in ("add", "sub"):
        return f"(uint64_t){a} {dict(add='+', sub='-')[op]} (uint64_t){b}"
    if op in ("mul", "mad"):
        plus = f" + (uint64_t){values[2]}" if op == "mad" else ""
        if "lo" in words:
            return f"(uint64_t){a} * (uint64_t){b}{plus}"
        if "hi" in words and n == 32:
            wide = "int64_t" if kind[0] == "s" else "uint64_t"
            return f"(uint64_t)((({wide}){a} * ({wide}){b}) >> 32){plus}"
    raise Unknown(".".join(words))


def wide_product(function, words, operands):
    """`mul.wide` and `mad.wide`: the product has twice the bits of its factors."""
    kind = words[-1]
    wide = f"{kind[0]}{2 * BITS[kind]}"
    a, b = [f"({integer(wide)}){function.read(operand, kind)}" for operand in operands[1:3]]
    plus = f" + (uint64_t){function.raw(operands[3], BITS[wide])}" if len(operands) > 3 else ""
    return function.write(operands[0], f"u{BITS[wide]}", f"(uint64_t)({a} * {b}){plus}")


def product(function, words, operands):
    if "wide" in words:
        return wide_product(function, words, operands)
    kind = words[-1]
    values = [function.read(operand, kind) for operand in operands[1:]]
    op = words[0]
    value = floating(op, words, values) if kind in FLOATS else integral(op, words, kind, values)
    return function.write(operands[0], kind, value)


def counted(function, words, operands):
    """Counts of bits are 32 bits wide whatever they count."""
    return function.write(operands[0], "u32", integral(words[0], words, words[-1], [function.read(operands[1], words[-1])]))


Function.op_mul = Function.op_mad = product
Function.op_popc = Function.op_clz = counted


class Module:
    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.text = re.sub(r"//[^\n]*", "", text)
        self.symbols = {}
        #: Whether threads wait in them, by name.
        self.functions = {}
        self.head = []
        self.body = []

    def variables(self):
        """Memory of a block, whose size a launch or the module gives, and tables. Returns the bytes that the module gives."""
        given = 0
        pattern = r"^\s*(?:\.\w+\s+)*?\.(shared|global|const)\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+([\w$]+)(?:\[(\d*)\])?\s*(?:=\s*(\{[^}]*\}))?;"
        for space, align, kind, name, count, values in re.findall(pattern, self.text, re.M):
            if space != "shared":
                self.symbols[name] = f"((char *)g_{c_name(name)})"
                self.head.append(f"static {unsigned(BITS[kind])} g_{c_name(name)}[{int(count or 1)}]{' = ' + values if values else ''};")
            elif not count:
                self.symbols[name] = "block->memory"
            else:
                given = -(-given // int(align or 16)) * int(align or 16)
                self.symbols[name] = f"(block->memory + block->launched + {given})"
                given += int(count) * BITS[kind] // 8
        return given

    def translate(self):
        given = self.variables()
        pattern = r"\.(entry|func)\s+(?:\(([^)]*)\)\s*)?([\w$]+)\s*\(([^)]*)\)[^{;]*(\{)"
        found = []
        for match in re.finditer(pattern, self.text):
            kind, results, name, parameters, _ = match.groups()
            depth, end = 1, match.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(self.text[end], 0)
                end += 1
            names = [re.search(r"([\w$]+)(?:\[\d+\])?$", p.strip()).group(1) for p in f"{results or ''},{parameters}".split(",") if p.strip()]
            found.append((kind, name, names, self.text[match.end():end - 1]))
        # What is called is known before its callers.
        for kind, name, names, body in sorted(found, key=lambda one: one[0] == "entry"):
            function = Function(self, names)
            for statement in statements(body):
                function.statement(statement)
            if kind == "func":
                self.functions[name] = function.waits
            storage = "static " if kind == "func" else ""
            self.body += [f"{storage}void f_{c_name(name)}(Thread *thread, void **parameters) {{", "Block *block = thread->block;", *function.lines, "}"]
            if kind == "entry":
                self.body.append(f"Kernel k_{c_name(name)} = {{f_{c_name(name)}, {int(function.waits)}, {given}}};")
        return "\n".join(['#include "kernel.h"', *self.head, *self.body, ""])


def statements(body):
    """Statements without their semicolons, labels, and the braces of scopes."""
    rest = ""
    for line in body.splitlines():
        line = line.strip()
        label = re.match(r"(\$?\w+:)\s*(.*)", line)
        if not rest and label:
            yield label.group(1)
            line = label.group(2)
        if not rest and line in ("{", "}"):
            yield line
            continue
        rest = f"{rest} {line}".strip()
        while ";" in rest:
            one, rest = rest.split(";", 1)
            rest = rest.strip()
            yield one.strip()


if __name__ == "__main__":
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            print(Module(file.read()).translate())
    except Unknown as why:
        sys.exit(f"ptx.py: this is not known: {why}")
