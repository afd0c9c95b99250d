// Prices for `report.js`, kept in a module as handlers do.
const RATES = { usual: 0.19, low: 0.07 };

class Sum {
  #amounts = [];

  constructor(name) {
    this.name = name;
    this.isPaid = true;
  }

  get amount() {
    let sum = 0;
    for (let i = 0; i < this.#amounts.length; i++) sum += this.#amounts[i];
    return Math.round(sum * 100) / 100;
  }

  add(amount, { paid = false } = {}) {
    if (amount <= 0 || Number.isNaN(amount)) throw new RangeError('no amount: ' + amount);
    this.#amounts.push(amount);
    this.isPaid &&= paid && amount < 10;
  }

  row() {
    const { name, amount } = this;
    switch (true) {
      case amount > 100: return { name, amount: amount.toFixed(2), class: 'large' };
      case amount > 10: return { name, amount: amount.toFixed(2), class: 'usual' };
      default: return { name, amount: amount.toFixed(2) };
    }
  }
}

exports.Sum = Sum;
exports.withTax = (price, kind = 'usual') => price * (1 + RATES[kind]);
