"""Where pictures come from. `base.Source` is the seam; `folder.FolderSource` is a folder on a disk or a share."""
