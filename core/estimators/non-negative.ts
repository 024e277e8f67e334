/** One equation of a least squares problem: coefficients · unknowns ≈ value, as important as `weight` says. */
export interface Row {
  readonly coefficients: readonly number[];
  readonly value: number;
  readonly weight: number;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

/** The solution of the square system `matrix` · x = `right`, by Gauss with pivots; `undefined` where there is not just one. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const rows = matrix.map((row, i) => [...row, right[i] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column += 1) {
    const below = rows.slice(column).sort((a, b) => Math.abs(b[column] ?? 0) - Math.abs(a[column] ?? 0));
    rows.splice(column, size - column, ...below);
    const pivot = rows[column];
    const lead = pivot?.[column] ?? 0;
    if (pivot === undefined || !(Math.abs(lead) > 1e-14)) return undefined;
    for (const [i, row] of rows.entries()) {
      if (i === column) continue;
      const factor = (row[column] ?? 0) / lead;
      rows[i] = row.map((value, j) => value - factor * (pivot[j] ?? 0));
    }
  }
  return rows.map((row, i) => (row[size] ?? 0) / (row[i] ?? 1));
}

/** Every way to choose some of `count` unknowns. */
const subsets = (count: number): readonly (readonly number[])[] =>
  Array.from({ length: 2 ** count - 1 }, (_, bits) =>
    Array.from({ length: count }, (_, i) => i).filter((i) => ((bits + 1) >> i) & 1),
  );

/**
 * The `unknowns` numbers, none negative, that fit `rows` best by weighted squares. The best solution is also the plain least
 * squares one of its own non-zero unknowns, so each choice of those is tried: for two unknowns that is 3 small systems, for four 15.
 */
export function nonNegativeLeastSquares(rows: readonly Row[], unknowns: number): readonly number[] {
  const inner = (i: number, j: number) =>
    rows.reduce((sum, { coefficients: c, weight }) => sum + weight * (c[i] ?? 0) * (c[j] ?? 0), 0);
  const products = Array.from({ length: unknowns }, (_, i) =>
    Array.from({ length: unknowns }, (_, j) => inner(i, j)),
  );
  const rights = Array.from({ length: unknowns }, (_, i) =>
    rows.reduce((sum, { coefficients, value, weight }) => sum + weight * (coefficients[i] ?? 0) * value, 0),
  );
  const zero: readonly number[] = Array.from({ length: unknowns }, () => 0);
  let best = { solution: zero, loss: 0 };
  for (const chosen of subsets(unknowns)) {
    const matrix = chosen.map((i) => chosen.map((j) => products[i]?.[j] ?? 0));
    const found = solve(
      matrix,
      chosen.map((i) => rights[i] ?? 0),
    );
    if (found === undefined || found.some((value) => !(value >= 0))) continue;
    const solution = zero.map((_, i) => (chosen.includes(i) ? (found[chosen.indexOf(i)] ?? 0) : 0));
    // At the minimum of its own subset the loss is |value|² − rights · solution: the common part is left out.
    const loss = -dot(solution, rights);
    if (loss < best.loss) best = { solution, loss };
  }
  return best.solution;
}
