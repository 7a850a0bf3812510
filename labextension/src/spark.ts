/**
 * A line of a few numbers, without an axis.
 */

/** The points of an SVG polyline: the greatest value is at the top, nothing at the bottom. */
export function sparkPoints(
  values: readonly number[],
  width: number,
  height: number
): string {
  const top = Math.max(...values, 0) || 1;
  const step = width / Math.max(1, values.length - 1);
  return values
    .map((value, place) => {
      const y = height - 1 - (value / top) * (height - 2);
      return `${(place * step).toFixed(1)},${y.toFixed(1)}`;
    })
    .join(' ');
}
