import Configuration

/// What the command line adds to a configuration; none of it changes a result.
public struct RunOptions {
  public var threads: Int
  public var output: String?
  public var resume = false
  public var force = false
  public var quiet = false
  /// What is kept beside config.json, result.json and epochs.csv.
  public var keeps = Set(KeptFiles.allCases)
  /// Seconds of work between checkpoints. A run that ends before the first makes no state/ folder and takes no lock of
  /// its own: a sweep's tiny runs spend more on those than on themselves, and the sweep's lock stands for all.
  public var checkpointInterval = 0.0
  /// Takes the folder's lock at once for all that: other processes may be at the same run.
  public var isShared = false

  public init(threads: Int? = nil) {
    self.threads = threads ?? Machine.cores
  }
}

/// Files that a run leaves for people and other programs, and a sweep of thousands only on request.
public enum KeptFiles: String, CaseIterable, Sendable {
  /// models/*.safetensors: the weights at the end.
  case models
  /// figures/: SVG with their data and scripts.
  case figures
  /// A circuit's currents.npy, where the configuration does not name the file.
  case currents
  /// timings.csv, which repeats result.json's timings.
  case timings

  /// The file or folder, in the run's own.
  var name: String {
    switch self {
    case .models, .figures: rawValue
    case .currents: "currents.npy"
    case .timings: "timings.csv"
    }
  }
}

/// How a run ended.
public enum RunOutcome {
  /// Its result.json; `already` when it had been finished before.
  case done(JSON, already: Bool)
  /// Training went astray: the sentence, and result.json with status "diverged".
  case diverged(String, JSON)
}
