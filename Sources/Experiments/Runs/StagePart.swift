/// What a stage's seconds are told of by themselves in result.json's `timings`, under `<model>.<stage>.<part>`; they are
/// contained in those of `<model>.<stage>`.
enum StagePart: String, CaseIterable {
  /// Learning alone, without pruning and what is measured after an epoch.
  case epochs
  case scoring, pruning
  /// Forward passes of an evaluation, for a thousand samples: no share of the stage's seconds.
  case inference = "inferenceOf1000"

  /// Whether seconds are already in those of a stage.
  static func contains(_ timing: String) -> Bool {
    let names = timing.split(separator: ".")
    return names.count > 2 && StagePart(rawValue: String(names[names.count - 1])) != nil
  }
}
