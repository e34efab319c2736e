/// Seconds that result.json's `timings` tell beside a stage's own, under `<model>.<stage>.<part>`: they add nothing to those
/// of `<model>.<stage>`.
enum StagePart: String, CaseIterable {
  /// Learning alone, without pruning and what is measured after an epoch.
  case epochs
  case scoring, pruning
  /// Forward passes of an evaluation, scaled to a thousand samples.
  case inference = "inferenceOf1000"

  /// Whether a timing is such a part, and no stage's own: a sum over stages leaves it out.
  static func contains(_ timing: String) -> Bool {
    let names = timing.split(separator: ".")
    return names.count > 2 && StagePart(rawValue: String(names[names.count - 1])) != nil
  }
}
