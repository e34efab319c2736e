import Glibc

/// Where the data of the named sets lie: in folders called `Data` that are found, not configured.
///
/// In this order: the folder that the environment variable SIMENGINE_DATA names; `../share/simengine/Data` beside the
/// executable (an installed engine); a `Data` folder with `images` in it in the executable's folder or above (a build
/// inside a checkout); the same from the working directory.
public struct DataLocation: Equatable, Sendable {
  /// The environment variable.
  public static let variable = "SIMENGINE_DATA"

  /// The value of SIMENGINE_DATA, nil if it is not set or empty.
  public var environment: String?
  /// The folder that holds the running executable.
  public var executableFolder: String
  public var workingDirectory: String

  public init(environment: String?, executableFolder: String, workingDirectory: String) {
    self.environment = environment
    self.executableFolder = executableFolder
    self.workingDirectory = workingDirectory
  }

  /// The places of this process.
  public static var current: DataLocation {
    let value = getenv(variable).map { String(cString: $0) } ?? ""
    return DataLocation(
      environment: value.isEmpty ? nil : value, executableFolder: parent(of: executable()),
      workingDirectory: currentFolder())
  }

  /// The data folders that exist, in the order they are searched.
  public var folders: [String] {
    var found: [String] = []
    if let environment { found.append(environment) }
    found.append(installed)
    for start in [executableFolder, workingDirectory] {
      found += Self.upwards(from: start).filter { DurableFile.isFolder($0 + "/images") }
    }
    return found.filter(DurableFile.isFolder)
  }

  /// The first data folder that has all of `files` (paths within it).
  /// - Throws: `DataError` that lists where it looked.
  public func folder(with files: [String]) throws -> String {
    let candidates = folders
    if let complete = candidates.first(where: { folder in files.allSatisfy { DurableFile.isFile(folder + "/" + $0) } })
    {
      return complete
    }
    var looked = [
      environment.map { "\($0) (\(Self.variable))" } ?? "\(Self.variable) (not set)", installed,
      "Data in \(executableFolder) and the folders above it",
    ]
    if workingDirectory != executableFolder { looked.append("Data in \(workingDirectory) and the folders above it") }
    let first =
      candidates.first.flatMap { folder in files.first { !DurableFile.isFile(folder + "/" + $0) } } ?? files.first
    throw DataError("\(first ?? "data"): not found; looked in \(looked.joined(separator: ", "))")
  }

  private var installed: String { Self.parent(of: executableFolder) + "/share/simengine/Data" }

  /// folder/Data, and the same in each folder above.
  private static func upwards(from folder: String) -> [String] {
    var found: [String] = []
    var place = folder
    while true {
      found.append((place == "/" ? "" : place) + "/Data")
      let above = parent(of: place)
      if above == place { return found }
      place = above
    }
  }

  /// The folder that `path` lies in; "/" of "/".
  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return path }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func executable() -> String { link("/proc/self/exe") ?? currentFolder() + "/simengine" }

  private static func currentFolder() -> String { link("/proc/self/cwd") ?? "." }

  /// Where a symbolic link points.
  private static func link(_ path: String) -> String? {
    let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
      count = buffer.withMemoryRebound(to: CChar.self) { max(0, readlink(path, $0.baseAddress!, 4096)) }
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
