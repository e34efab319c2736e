import Configuration
import Datasets
import Glibc

extension SweepPlan {
  /// Whether a sweep lies in a folder, so that `sweep FOLDER` goes on with it.
  public static func lies(in folder: String) -> Bool { access("\(folder)/sweep.json", F_OK) == 0 }

  /// The sweep of a folder's sweep.json, as it was when it began: its configuration's file may have changed since.
  /// - Throws: `Diagnostics` with what is wrong; `RunError` when the file is not a sweep's; `DataError` when it cannot be
  ///   read.
  public init(folder: String) throws {
    let file = "\(folder)/sweep.json"
    let json = try JSON.parse(try FileBytes.read(file), file: file, dialect: .strict)
    guard var document = json["config"], document.members != nil, let sweep = json["sweep"],
      let inputs = json["folder"]?.string
    else { throw RunError("\(file): is not a sweep's; expected its config, sweep and folder") }
    document.set("sweep", sweep)
    try self.init(document: document, folder: inputs)
  }
}
