// Amounts of money, added up in cents: 0.1 + 0.2 is not 0.3 to a computer.

// The sum of a column, as text with two decimals.
exports.sum = function (rows, column) {
  const cents = rows.reduce((sum, row) => sum + Math.round(row[column] * 100), 0);
  return (cents / 100).toFixed(2);
};
