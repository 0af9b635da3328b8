// The tokens of the list's units and of their strongest contexts, packed apart from the pages: little enough to be unpacked for all
// units at once, and what a search looks through, token by token, without a text of it being made.

// Numbers of the texts of units first..: for each, how many tokens fire it and which, how many contexts it has, and how long
// each is and what it holds.
class Texts {
  constructor(first, numbers) {
    this.first = first;
    this.numbers = numbers;
    this.starts = [];
    for (let at = 0; at < numbers.length;) {
      this.starts.push(at);
      at += 1 + numbers[at];
      for (let contexts = numbers[at++]; contexts > 0; contexts--) at += 1 + numbers[at];
    }
  }

  // The tokens that fire a unit.
  tokens(row) {
    const at = this.starts[row - this.first];
    return this.numbers.subarray(at + 1, at + 1 + this.numbers[at]);
  }

  // Puts a unit's tokens into its page.
  fill(page, row) {
    const { numbers } = this;
    let at = this.starts[row - this.first];
    const run = () => {
      const length = numbers[at++];
      return Array.from(numbers.subarray(at, (at += length)));
    };
    page.tokens.t = run();
    at++;
    for (const context of page.contexts) context.t = run();
  }

  // Marks the rows whose tokens hold a text (1), and those whose contexts do (2).
  search(matcher, found) {
    const { numbers, starts, first } = this;
    for (let unit = 0; unit < starts.length; unit++) {
      let at = starts[unit];
      for (const end = at + numbers[at++]; at <= end; at++) if (matcher.moved(0, numbers[at]) === matcher.whole) found[first + unit] |= 1;
      for (let contexts = numbers[at++]; contexts > 0; contexts--) {
        const end = at + numbers[at];
        let state = 0;
        for (at++; at <= end && state !== matcher.whole; at++) state = matcher.moved(state, numbers[at]);
        at = end + 1;
        if (state !== matcher.whole) continue;
        found[first + unit] |= 2;
        break;
      }
    }
  }
}

// Finds a text in runs of tokens (Knuth, Morris and Pratt 1977): how much of it the text so far ends with, after one more token.
class Matcher {
  constructor(text, tokens) {
    this.text = text;
    this.whole = text.length;
    this.tokens = tokens;
    this.moves = [];
    this.back = [0];
    for (let i = 1, k = 0; i < text.length; i++) {
      while (k > 0 && text[i] !== text[k]) k = this.back[k - 1];
      if (text[i] === text[k]) k++;
      this.back.push(k);
    }
  }

  moved(state, token) {
    const moves = (this.moves[state] ??= new Int16Array(this.tokens).fill(-1));
    const known = moves[token];
    return known >= 0 ? known : (moves[token] = this.read(state, tokenText(token).toLowerCase()));
  }

  read(state, text) {
    let k = state;
    for (let i = 0; i < text.length && k < this.whole; i++) {
      while (k > 0 && text[i] !== this.text[k]) k = this.back[k - 1];
      if (text[i] === this.text[k]) k++;
    }
    return k;
  }
}

// Whole numbers of seven bits a byte, lowest first; the eighth bit says that more follow (LEB128).
function numbersOf(bytes) {
  const numbers = new Int32Array(bytes.length);
  let count = 0;
  for (let at = 0; at < bytes.length; at++) {
    let value = bytes[at] & 127;
    for (let shift = 7; bytes[at] > 127; shift += 7) value |= (bytes[++at] & 127) << shift;
    numbers[count++] = value;
  }
  return numbers.slice(0, count);
}
