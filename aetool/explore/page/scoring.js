// How unusual a picture is, as `aetool score` measures it.
"use strict";

globalThis.aetool = globalThis.aetool || {};

(function (aetool) {
  // Return the percentile of a number among quantiles at equal shares, 0 to 100; of equal quantiles the lowest counts.
  function percentile(number, quantiles) {
    const last = quantiles.length - 1;
    if (number > quantiles[last]) return 100;
    let above = quantiles.findIndex((quantile) => quantile >= number);
    above = Math.max(1, Math.min(last, above < 0 ? last : above));
    const [low, high] = [quantiles[above - 1], quantiles[above]];
    const share = high > low ? Math.max(0, Math.min(1, (number - low) / (high - low))) : 0;
    return (100 * (above - 1 + share)) / last;
  }

  // Return {mse, distance, percentile} of a picture and its reconstruction, both numbers from 0 to 1. `distance` is
  // that to the nearest row of the bank, NaN without rows.
  function scored(scoring, picture, again, distance) {
    const mse = picture.reduce((sum, value, i) => sum + (value - again[i]) ** 2, 0) / picture.length;
    if (!scoring) return { mse, distance, percentile: NaN };
    const by = scoring.distance === null || Number.isNaN(distance) ? 0 : (distance / scoring.distance) ** scoring.power;
    return { mse, distance, percentile: percentile(Math.max(mse / scoring.mse, by), scoring.quantiles) };
  }

  Object.assign(aetool, { percentile, scored });
})(globalThis.aetool);
